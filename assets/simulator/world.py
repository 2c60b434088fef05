"""The whole fleet moving through time, minute by minute.

Built from portfolio, sessions and seed alone, so the same inputs always make the same world; setpoints reach it only
as a table of limits. Energy is booked where it is made: a meter per asset and direction that only counts on.
"""

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU_SECONDS
from assets.simulator.physics import heating, plugs, storage, weather
from assets.simulator.portfolio import SIX_AMPERE_W, Portfolio
from assets.simulator.sessions import MINUTE, Sessions

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

HOURS = 1 / 60
WARM_UP = timedelta(hours=36)
"""Long enough for every car that is plugged in at the start to have charged as if it had been watched."""
HEATING_HISTORY = timedelta(days=14)
HEATING_HISTORY_STEP = 5 * MINUTE
"""Houses change within hours, so their past needs no finer steps."""
STARTING_LEVEL = 0.95
"""Of the stationary battery's usable store, at the start."""
_LEAST_LEFT = 0.05
_SINGLE_PHASE_KW = 7.4
_PLUG_KINDS = ("charger", "v2g_charger", "bus_charger")


class Limits(Protocol):
    """Where the world looks up what it was told."""

    def at(self, minute: int) -> Floats:
        """Return the power each asset is told to keep in the minute that starts at `minute`, (n,) kW or NaN."""
        ...


@dataclass(frozen=True, slots=True)
class SessionOutcome:
    """What a driver got: energies at the charger in kWh; `row` is the session's. `missing_kwh` is 0 while it lasts."""

    row: int
    arrival_kwh: float
    charged_kwh: float
    discharged_kwh: float
    missing_kwh: float


class World:
    """n assets in the portfolio's order. `now` is the UTC second up to which everything is simulated."""

    def __init__(
        self, *, portfolio: Portfolio, sessions: Sessions, period: Interval, never_wakes: Booleans | None = None
    ) -> None:
        """Build the world as it is when `period` starts; `never_wakes`, (n,): whose cars sleep on after a pause."""
        self.sessions = sessions
        self.starts_at = int(period.starts_at.timestamp())
        self.ends_at = int(period.ends_at.timestamp())
        assets = [asset for _, asset in portfolio.assets()]
        self.n = len(assets)
        kind = np.array([asset.kind for asset in assets])
        self._seed = portfolio.seed
        self._plug = np.flatnonzero(np.isin(kind, _PLUG_KINDS))
        self._battery = np.flatnonzero(kind == "battery")
        self._heat = np.flatnonzero(kind == "heat_pump")
        self._plug_of_asset = np.full(self.n, -1)
        self._plug_of_asset[self._plug] = np.arange(len(self._plug))

        export_kw = np.array([asset.max_export_w for asset in assets]) / 1000
        import_kw = np.array([asset.max_import_w for asset in assets]) / 1000
        capacity = np.array([asset.capacity_wh or 0 for asset in assets]) / 1000
        floor = np.array([asset.min_level_wh for asset in assets]) / 1000
        efficiency = np.sqrt(np.array([float(asset.round_trip_efficiency) for asset in assets]))
        self._capacity_kwh = capacity
        self._has_floor_current = kind == "charger"
        self._is_ignoring = np.array([asset.behaviour == "ignores" for asset in assets])
        self._plug_traits = plugs.PlugTraits(
            max_export_kw=export_kw[self._plug],
            floor_kwh=floor[self._plug],
            efficiency=efficiency[self._plug],
            can_pause=np.array([asset.can_pause for asset in assets])[self._plug],
        )
        self._battery_traits = storage.BatteryTraits(
            max_import_kw=import_kw[self._battery],
            max_export_kw=export_kw[self._battery],
            capacity_kwh=capacity[self._battery],
            floor_kwh=floor[self._battery],
            efficiency=efficiency[self._battery],
        )
        heat = [asset.heat for asset in assets if asset.heat is not None]
        self.heat_traits = heating.HeatTraits(
            loss_kw_per_kelvin=np.array([house.loss_kw_per_kelvin for house in heat]),
            capacity_kwh_per_kelvin=np.array([house.capacity_kwh_per_kelvin for house in heat]),
            comfort_c=np.array([house.comfort_c for house in heat]),
            band_kelvin=np.array([house.band_kelvin for house in heat]),
            nominal_cop=np.array([house.nominal_cop for house in heat]),
            max_import_kw=import_kw[self._heat],
        )

        self._never_wakes = np.zeros(len(self._plug), np.bool_) if never_wakes is None else never_wakes[self._plug]
        self.asleep = np.full(len(self._plug), -1)
        """The session at each plug whose car was paused and never woke, -1 without one."""
        self.plugs = plugs.PlugState.empty(len(self._plug))
        self.battery_kwh = floor[self._battery] + STARTING_LEVEL * (capacity - floor)[self._battery]
        self.indoor_c = self.heat_traits.comfort_c.copy()
        self.power_kw = np.zeros(self.n)
        self.metered_kwh = np.zeros((2, (self.ends_at - self.starts_at) // PTU_SECONDS, self.n))
        """Import and export of each asset in each PTU of the period."""
        self._starts = np.argsort(sessions.plug_in, kind="stable")
        self._ends = np.argsort(sessions.plug_out, kind="stable")
        self._start_times = sessions.plug_in[self._starts]
        self._end_times = sessions.plug_out[self._ends]

        self.heating_history_kwh = self._warm_up()

    def _warm_up(self) -> Floats:
        """Bring the fleet to `starts_at`; return what heat pumps took in each PTU of the weeks before, (PTUs, h)."""
        history_seconds = int(HEATING_HISTORY.total_seconds())
        no_limit = np.full(self.n, np.nan)
        steps = np.arange(self.starts_at - history_seconds, self.starts_at, HEATING_HISTORY_STEP)
        outdoor = weather.outdoor_c(steps, seed=self._seed)
        hours = HEATING_HISTORY_STEP / 3600
        taken = np.zeros((history_seconds // PTU_SECONDS, len(self._heat)))
        for number, temperature in enumerate(outdoor.tolist()):
            power = heating.step(
                indoor_c=self.indoor_c,
                traits=self.heat_traits,
                limit_kw=no_limit[self._heat],
                outdoor_c=temperature,
                hours=hours,
            )
            taken[number * HEATING_HISTORY_STEP // PTU_SECONDS] += power * hours

        self.now = self.starts_at - int(WARM_UP.total_seconds())
        present = np.flatnonzero((self.sessions.plug_in < self.now) & (self.sessions.plug_out > self.now))
        self._put_levels_before_first_trip(present)
        for row in present.tolist():
            self._plug_in(row)
        while self.now < self.starts_at:
            self._connect()
            self._move_plugs(no_limit)
            self.now += MINUTE
        return taken

    def _put_levels_before_first_trip(self, present: Integers) -> None:
        """Give each vehicle with a known battery the level from which its first trip leads to its first arrival."""
        later = np.flatnonzero(self.sessions.plug_in >= self.now)
        for row in np.concatenate([present, later])[::-1].tolist():
            if not np.isnan(self.sessions.arrival_kwh[row]):
                plug = self._plug_of_asset[self.sessions.asset[row]]
                self.plugs.level_kwh[plug] = self.sessions.arrival_kwh[row] + self.sessions.trip_kwh[row]

    def advance(self, limits: Limits) -> tuple[list[int], list[SessionOutcome]]:
        """Simulate the minute that starts at `now`; return the sessions that began and ended at its start."""
        begun, ended = self._connect()
        told = limits.at(self.now)
        told = np.where(self._is_ignoring, np.nan, told)
        self._move_plugs(told)
        self.power_kw[self._battery] = storage.step(
            level_kwh=self.battery_kwh, traits=self._battery_traits, limit_kw=told[self._battery], hours=HOURS
        )
        self.power_kw[self._heat] = heating.step(
            indoor_c=self.indoor_c,
            traits=self.heat_traits,
            limit_kw=told[self._heat],
            outdoor_c=float(weather.outdoor_c(np.array([self.now]), seed=self._seed)[0]),
            hours=HOURS,
        )
        ptu = (self.now - self.starts_at) // PTU_SECONDS
        self.metered_kwh[0, ptu] += np.maximum(self.power_kw, 0.0) * HOURS
        self.metered_kwh[1, ptu] += np.maximum(-self.power_kw, 0.0) * HOURS
        self.now += MINUTE
        return begun, ended

    def _move_plugs(self, told: Floats) -> None:
        state = self.plugs
        limit_kw = np.where((self.asleep >= 0) & (self.asleep == state.session), 0.0, told[self._plug])
        power_kw = plugs.step(state=state, traits=self._plug_traits, limit_kw=limit_kw, now=self.now, hours=HOURS)
        is_paused = (power_kw == 0) & (limit_kw <= 0) & (state.session >= 0) & (state.level_kwh < state.target_kwh)
        self.asleep = np.where(is_paused & self._never_wakes, state.session, self.asleep)
        self.power_kw[self._plug] = power_kw

    def _connect(self) -> tuple[list[int], list[SessionOutcome]]:
        """Let cars leave and arrive at `now`; who leaves makes room for who arrives."""
        leaving = self._ends[
            np.searchsorted(self._end_times, self.now) : np.searchsorted(self._end_times, self.now + 1)
        ]
        arriving = self._starts[
            np.searchsorted(self._start_times, self.now) : np.searchsorted(self._start_times, self.now + 1)
        ]
        ended = [self._plug_out(row) for row in leaving.tolist()]
        for row in arriving.tolist():
            self._plug_in(row)
        return arriving.tolist(), ended

    def _plug_in(self, row: int) -> None:
        sessions, state = self.sessions, self.plugs
        asset = int(sessions.asset[row])
        plug = int(self._plug_of_asset[asset])
        power = float(sessions.power_kw[row])
        is_known = not np.isnan(sessions.target_kwh[row])
        if is_known:
            left = float(state.level_kwh[plug] - sessions.trip_kwh[row])
            level = max(left, _LEAST_LEFT * float(self._capacity_kwh[asset]))
        else:
            level = 0.0
        phases = 1 if power <= _SINGLE_PHASE_KW else 3
        state.session[plug] = row
        state.level_kwh[plug] = state.arrival_kwh[plug] = level
        state.target_kwh[plug] = sessions.target_kwh[row] if is_known else sessions.need_kwh[row]
        state.max_import_kw[plug] = power
        state.minimum_kw[plug] = min(phases * SIX_AMPERE_W / 1000, power) if self._has_floor_current[asset] else 0.0
        state.departure[plug] = sessions.plug_out[row] if is_known else plugs.NO_DEPARTURE
        state.imported_kwh[plug] = state.exported_kwh[plug] = 0.0

    def _plug_out(self, row: int) -> SessionOutcome:
        state = self.plugs
        plug = int(self._plug_of_asset[self.sessions.asset[row]])
        stay_hours = float(self.sessions.plug_out[row] - self.sessions.plug_in[row]) / 3600
        outcome = SessionOutcome(
            row=row,
            arrival_kwh=float(state.arrival_kwh[plug]),
            charged_kwh=float(state.imported_kwh[plug]),
            discharged_kwh=float(state.exported_kwh[plug]),
            missing_kwh=plugs.shortfall_kwh(state=state, traits=self._plug_traits, plug=plug, stay_hours=stay_hours),
        )
        state.session[plug] = -1
        return outcome

    def so_far(self, row: int) -> SessionOutcome:
        """Return what the driver of an open session got until now."""
        plug = int(self._plug_of_asset[self.sessions.asset[row]])
        return SessionOutcome(
            row=row,
            arrival_kwh=float(self.plugs.arrival_kwh[plug]),
            charged_kwh=float(self.plugs.imported_kwh[plug]),
            discharged_kwh=float(self.plugs.exported_kwh[plug]),
            missing_kwh=0.0,
        )

    def open_sessions(self) -> list[int]:
        """Return the rows of all sessions with a car at the plug."""
        rows: list[int] = self.plugs.session[self.plugs.session >= 0].tolist()
        return rows

    def is_plugged(self) -> tuple[Integers, npt.NDArray[np.bool_]]:
        """Return the assets that are plugs and whether a car is there."""
        return self._plug, self.plugs.session >= 0

    def levels_kwh(self) -> Floats:
        """Return the store of every asset where its partner can know it, NaN elsewhere, (n,)."""
        levels = np.full(self.n, np.nan)
        is_known = (self.plugs.session >= 0) & (self.plugs.departure != plugs.NO_DEPARTURE)
        levels[self._plug[is_known]] = self.plugs.level_kwh[is_known]
        levels[self._battery] = self.battery_kwh
        levels[self._heat] = self.heat_traits.level_kwh(self.indoor_c)
        return levels

    @property
    def metered_assets_of_history(self) -> Integers:
        """The assets (heat pumps) that `heating_history_kwh` describes."""
        return self._heat

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return everything that changes, for a checkpoint."""
        changing = {f"plugs_{field.name}": getattr(self.plugs, field.name) for field in fields(self.plugs)}
        return changing | {
            "now": np.array(self.now),
            "battery_kwh": self.battery_kwh,
            "indoor_c": self.indoor_c,
            "power_kw": self.power_kw,
            "asleep": self.asleep,
            "metered_kwh": self.metered_kwh,
        }

    def restore(self, saved: dict[str, npt.NDArray[np.generic]]) -> None:
        """Go back to a state that `state` returned."""
        for field in fields(self.plugs):
            setattr(self.plugs, field.name, saved[f"plugs_{field.name}"].copy())
        self.now = int(saved["now"])
        for name in ("battery_kwh", "indoor_c", "power_kw", "asleep", "metered_kwh"):
            setattr(self, name, saved[name].copy())
