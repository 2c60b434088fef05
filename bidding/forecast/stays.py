"""When the cars plugged in now will leave and what they will take: weighted samples, calibrated, or what drivers say.

A model (`near_stays`, or `stay_forests` of the optional extra) answers with comparable sessions; it has one part for
chargers or cards it knows and one for newcomers. What follows is the same for all models: only sessions longer than the
time already elapsed take part (the survival condition); weights are corrected by where the outcomes of recent cars fell
in *their* forecasts (`stay_levels`), known cars and newcomers each by their own; and what a driver declares replaces
the samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.local_time import DAY_S, local_seconds, utc_seconds
from bidding.forecast.sessions import PluggedIn, SessionTable
from bidding.forecast.stay_levels import Levels

Floats = NDArray[np.float64]

HOUR_S = 3600.0
SHORTEST_STAY_LEFT_S = 1

CALIBRATION_CARS = 400
"""Cars of the last days at the same hour: their levels say more than those of last month."""

CALIBRATION_DAYS = 42


@dataclass(frozen=True, slots=True, eq=False)
class Cars:
    """What is known of m cars while they are plugged in; arrays of shape (m,), chargers and cards as in the history."""

    charger: NDArray[np.int32]
    plug_in_s: NDArray[np.int64]
    power_kw: Floats
    card: NDArray[np.int32] | None = None

    @classmethod
    def of(cls, source: PluggedIn | SessionTable, rows: NDArray[np.intp] | slice = slice(None)) -> "Cars":
        """Return cars plugged in now, or what was known of sessions when they began."""
        return cls(
            charger=source.charger[rows],
            plug_in_s=source.plug_in_s[rows],
            power_kw=source.power_kw[rows],
            card=None if source.card is None else source.card[rows],
        )

    def __len__(self) -> int:
        return len(self.charger)


@dataclass(frozen=True, slots=True, eq=False)
class StaySamples:
    """Comparable sessions of m cars; arrays (m, k): whole stay, energy, and how much each counts.

    `is_known` (m,) tells which cars were forecast from a history of their own.
    """

    stay_s: Floats
    energy_kwh: Floats
    weight: Floats
    is_known: NDArray[np.bool_]


class StayModel(Protocol):
    """Looks up comparable sessions in the history it was made from."""

    @property
    def calibrated_from_s(self) -> int:
        """Sessions begun from here on did not teach the model: how they fell in its forecasts can be believed."""
        ...

    def samples(self, cars: Cars, *, as_newcomers: bool = False) -> StaySamples:
        """Return samples for cars, a car's own session never among them; as if without history when asked."""
        ...


class StayModels(Protocol):
    """Makes the model of a moment from the sessions completed by then."""

    def __call__(self, history: SessionTable, *, timezone: str, now_s: int) -> StayModel:
        """Return the model; `history` has at least one session."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class StayForecast:
    """Samples of departure and energy of m cars; arrays of shape (m, k), weights of a car add up to 1.

    `weight` is calibrated on departures and keeps what belongs together in a sample; `energy_levels` calibrate the
    quantiles of energy, for known cars and for newcomers. A car for which nothing comparable is on file gets one
    sample: it leaves at once.
    """

    plug_out_s: Floats
    energy_kwh: Floats
    weight: Floats
    uncalibrated_weight: Floats
    energy_levels: Mapping[bool, Levels]
    is_known: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.weight)

    def draw(self, draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """Return which sample each car takes in each draw, (m, draws): departure and energy together.

        Each sample is drawn as often as its weight says, give or take one (systematic), in an order of its car's own.
        """
        cars, samples = self.weight.shape
        reached = np.cumsum(self.weight, axis=1)
        reached *= draws / reached[:, -1:]
        edge = np.ceil(reached - rng.random((cars, 1))).astype(np.intp)
        edge[:, -1] = draws
        count = np.diff(np.minimum(edge, draws), axis=1, prepend=0)
        chosen = np.repeat(np.tile(np.arange(samples), cars), count.ravel()).reshape(cars, draws)
        return rng.permuted(chosen, axis=1)

    def departure_quantiles_s(self, levels: Floats) -> Floats:
        """Return quantiles of the departure, shape (m, len(levels)), UTC epoch seconds."""
        return _weighted_quantiles(self.plug_out_s, self.weight, levels)

    def energy_quantiles_kwh(self, levels: Floats) -> Floats:
        """Return quantiles of the energy of the whole session, shape (m, len(levels))."""
        weight = self.uncalibrated_weight.copy()
        for is_known, of_energy in self.energy_levels.items():
            rows = self.is_known == is_known
            weight[rows] = of_energy.corrected(self.energy_kwh[rows], weight[rows])
        return _weighted_quantiles(self.energy_kwh, weight, levels)


class StayForecaster:
    """Forecasts cars plugged in at `now_s` from the sessions completed by then; made once, asked in any portions."""

    def __init__(self, history: SessionTable, *, models: StayModels, timezone: str, now_s: int) -> None:
        self._now_s = now_s
        self._levels: dict[bool, tuple[Levels, Levels]] = {}
        self._model = models(history, timezone=timezone, now_s=now_s) if len(history) else None
        if self._model is not None:
            from_s = self._model.calibrated_from_s
            self._past = _PastCars.before(history, now_s=now_s, timezone=timezone, from_s=from_s)

    def forecast(self, plugged_in: PluggedIn) -> StayForecast:
        """Return samples for some of the cars."""
        if self._model is None:
            return _leaves_now(plugged_in, now_s=self._now_s)
        cars = Cars.of(plugged_in)
        samples = self._model.samples(cars)
        says_when = ~np.isnan(plugged_in.declared_plug_out_s)
        survives = samples.stay_s > (self._now_s - cars.plug_in_s)[:, None]
        weight = samples.weight * (survives | says_when[:, None])
        unheard = weight.sum(axis=1) <= 0
        weight[unheard, 0] = 1.0
        plug_out_s = cars.plug_in_s[:, None] + samples.stay_s
        soonest_s = self._now_s + SHORTEST_STAY_LEFT_S
        plug_out_s[unheard] = soonest_s
        plug_out_s[says_when] = np.maximum(plugged_in.declared_plug_out_s[says_when], soonest_s)[:, None]
        energy_kwh = samples.energy_kwh
        says_what = ~np.isnan(plugged_in.declared_energy_kwh)
        energy_kwh[says_what] = plugged_in.declared_energy_kwh[says_what, None]
        most_kwh = cars.power_kw[:, None] * (plug_out_s - cars.plug_in_s[:, None]) / HOUR_S
        energy_kwh = np.minimum(energy_kwh, most_kwh)
        uncalibrated = weight / weight.sum(axis=1, keepdims=True)
        weight = uncalibrated.copy()
        energy_levels = {}
        for is_known in (True, False):
            rows = np.flatnonzero((samples.is_known == is_known) & ~unheard)
            if len(rows):
                of_stay, energy_levels[is_known] = self._levels_of(self._model, is_known=is_known)
                rows = rows[~says_when[rows]]
                weight[rows] = of_stay.corrected(plug_out_s[rows], weight[rows])
        return StayForecast(
            plug_out_s=plug_out_s,
            energy_kwh=energy_kwh,
            weight=weight,
            uncalibrated_weight=uncalibrated,
            energy_levels=energy_levels,
            is_known=samples.is_known,
        )

    def _levels_of(self, model: StayModel, *, is_known: bool) -> tuple[Levels, Levels]:
        if is_known not in self._levels:
            self._levels[is_known] = self._past.levels(model, is_known=is_known)
        return self._levels[is_known]


@dataclass(frozen=True, slots=True, eq=False)
class _PastCars:
    """Cars that stood there at the same hour of the last days, with what they had been plugged in for, and outcome."""

    cars: Cars
    elapsed_s: Floats
    stay_s: Floats
    energy_kwh: Floats

    @classmethod
    def before(cls, history: SessionTable, *, now_s: int, timezone: str, from_s: int) -> "_PastCars":
        local_s = int(local_seconds(now_s, timezone=timezone))
        rows, elapsed_s, found = [np.zeros(0, dtype=np.intp)], [np.zeros(0)], 0
        for days in range(1, CALIBRATION_DAYS + 1):
            instant_s = int(utc_seconds(local_s - days * DAY_S, timezone=timezone))
            if found >= CALIBRATION_CARS or instant_s < from_s:
                break
            present = history.rows_present(instant_s, instant_s + 1)
            present = _evenly(present[history.plug_in_s[present] >= from_s], CALIBRATION_CARS - found)
            rows.append(present)
            elapsed_s.append((instant_s - history.plug_in_s[present]).astype(np.float64))
            found += len(present)
        row = np.concatenate(rows)
        return cls(
            cars=Cars.of(history, row),
            elapsed_s=np.concatenate(elapsed_s),
            stay_s=(history.plug_out_s - history.plug_in_s)[row].astype(np.float64),
            energy_kwh=history.energy_kwh[row],
        )

    def __len__(self) -> int:
        return len(self.cars)

    def levels(self, model: StayModel, *, is_known: bool) -> tuple[Levels, Levels]:
        """Return where stays and energies fell in the forecasts of known cars, or of cars taken for newcomers."""
        samples = model.samples(self.cars, as_newcomers=not is_known)
        weight = samples.weight * (samples.stay_s > self.elapsed_s[:, None])
        heard = np.flatnonzero((weight.sum(axis=1) > 0) & (samples.is_known == is_known))
        return (
            Levels.of(samples.stay_s[heard], weight[heard], self.stay_s[heard]),
            Levels.of(samples.energy_kwh[heard], weight[heard], self.energy_kwh[heard]),
        )


def _evenly(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return at most so many rows, spread over all of them: in order of plug-in, cars of every age."""
    if len(rows) <= most:
        return rows
    return np.asarray(rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)])


def _leaves_now(plugged_in: PluggedIn, *, now_s: int) -> StayForecast:
    cars = len(plugged_in)
    plug_out_s = np.fmax(plugged_in.declared_plug_out_s, now_s + SHORTEST_STAY_LEFT_S)  # what is not told counts not
    energy_kwh = np.nan_to_num(plugged_in.declared_energy_kwh, nan=0.0)
    most_kwh = plugged_in.power_kw * (plug_out_s - plugged_in.plug_in_s) / HOUR_S
    return StayForecast(
        plug_out_s=plug_out_s[:, None],
        energy_kwh=np.minimum(energy_kwh, most_kwh)[:, None],
        weight=np.ones((cars, 1)),
        uncalibrated_weight=np.ones((cars, 1)),
        energy_levels={},
        is_known=np.zeros(cars, dtype=np.bool_),
    )


def _weighted_quantiles(values: Floats, weight: Floats, levels: Floats) -> Floats:
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    cumulative = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    place = (cumulative[:, None, :] < np.asarray(levels)[None, :, None] * cumulative[:, -1:, None] - 1e-12).sum(axis=2)
    return np.take_along_axis(ordered, np.minimum(place, values.shape[1] - 1), axis=1)
