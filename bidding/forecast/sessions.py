"""Charging sessions as columns: what the forecasts learn from and what the backtest replays.

Times are UTC epoch seconds in int64 arrays, so that slicing a year of sessions costs microseconds. Chargers are
numbered in the order of their first plug-in: a table cut at an instant numbers the chargers it still knows alike,
so nothing computed from a cut table can depend on what came after the cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

HOUR_S = 3600.0
NO_CARD = -1


@dataclass(frozen=True, slots=True, eq=False)
class SessionTable:
    """n charging sessions, sorted by plug-in (then charger); arrays of shape (n,), never written to.

    Attributes:
        charger: index into `charger_ids`.
        plug_in_s: start of the stay, UTC epoch seconds.
        plug_out_s: end of the stay, UTC epoch seconds, exclusive, after `plug_in_s`.
        energy_kwh: energy of the session at the charger, at most `power_kw` times the stay.
        power_kw: rated power of the session, above zero.
        charger_ids: names of the chargers, in order of their first plug-in.
        card: who charged, any number per card; `NO_CARD` where it was not told, None when no cards are on file.
    """

    charger: NDArray[np.int32]
    plug_in_s: Seconds
    plug_out_s: Seconds
    energy_kwh: Floats
    power_kw: Floats
    charger_ids: tuple[str, ...]
    card: NDArray[np.int32] | None = None

    @classmethod
    def from_columns(
        cls,
        *,
        charger_ids: Sequence[str],
        plug_in_s: Sequence[int] | Seconds,
        plug_out_s: Sequence[int] | Seconds,
        energy_kwh: Sequence[float] | Floats,
        power_kw: Sequence[float] | Floats,
        card: Sequence[int] | None = None,
    ) -> Self:
        """Build a table from rows in any order; energy above power times stay is clipped to it.

        Args:
            charger_ids: the charger of each row (one per row, not distinct).
            plug_in_s: UTC epoch seconds per row.
            plug_out_s: UTC epoch seconds per row.
            energy_kwh: per row.
            power_kw: per row.
            card: number of the card per row, `NO_CARD` where it was not told.
        """
        starts = np.asarray(plug_in_s, dtype=np.int64)
        names = np.asarray(charger_ids, dtype=np.str_)
        order = np.lexsort((names, starts))
        numbers: dict[str, int] = {}
        charger = np.fromiter(
            (numbers.setdefault(str(name), len(numbers)) for name in names[order]), dtype=np.int32, count=len(order)
        )
        ends = np.asarray(plug_out_s, dtype=np.int64)[order]
        power = np.asarray(power_kw, dtype=np.float64)[order]
        most_kwh = power * (ends - starts[order]) / HOUR_S
        return cls(
            charger=charger,
            plug_in_s=starts[order],
            plug_out_s=ends,
            energy_kwh=np.minimum(np.asarray(energy_kwh, dtype=np.float64)[order], most_kwh),
            power_kw=power,
            charger_ids=tuple(numbers),
            card=None if card is None else np.asarray(card, dtype=np.int32)[order],
        )

    def __len__(self) -> int:
        return len(self.plug_in_s)

    @property
    def n_chargers(self) -> int:
        """Number of chargers seen in this table."""
        return len(self.charger_ids)

    @property
    def stay_h(self) -> Floats:
        """Length of each stay [h]."""
        return (self.plug_out_s - self.plug_in_s) / HOUR_S

    def take(self, rows: Mask | NDArray[np.intp] | slice) -> Self:
        """Return the chosen rows (ascending), knowing only the chargers numbered up to the last one among them."""
        charger = self.charger[rows]
        known = int(charger.max()) + 1 if len(charger) else 0
        return type(self)(
            charger=charger,
            plug_in_s=self.plug_in_s[rows],
            plug_out_s=self.plug_out_s[rows],
            energy_kwh=self.energy_kwh[rows],
            power_kw=self.power_kw[rows],
            charger_ids=self.charger_ids[:known],
            card=None if self.card is None else self.card[rows],
        )

    def started_before(self, instant_s: int) -> Self:
        """Return the sessions plugged in before an instant."""
        return self.take(slice(0, int(np.searchsorted(self.plug_in_s, instant_s, side="left"))))

    def completed_before(self, instant_s: int) -> Self:
        """Return the sessions plugged out at or before an instant: all that is fully known then."""
        started = slice(0, int(np.searchsorted(self.plug_in_s, instant_s, side="left")))
        return self.take(np.flatnonzero(self.plug_out_s[started] <= instant_s))

    def rows_present(self, starts_s: int, ends_s: int) -> NDArray[np.intp]:
        """Return the rows whose stay overlaps the half-open period [starts_s, ends_s)."""
        last = int(np.searchsorted(self.plug_in_s, ends_s, side="left"))
        return np.flatnonzero(self.plug_out_s[:last] > starts_s)

    def plugged_in_at(self, instant_s: int) -> "PluggedIn":
        """Return what is known of the cars plugged in at an instant: neither departure nor energy."""
        last = int(np.searchsorted(self.plug_in_s, instant_s, side="right"))
        rows = np.flatnonzero(self.plug_out_s[:last] > instant_s)
        return PluggedIn(
            charger=self.charger[rows],
            plug_in_s=self.plug_in_s[rows],
            power_kw=self.power_kw[rows],
            declared_plug_out_s=np.full(len(rows), np.nan),
            declared_energy_kwh=np.full(len(rows), np.nan),
            card=None if self.card is None else self.card[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class PluggedIn:
    """Cars plugged in at an instant, as far as they are known then; arrays of shape (m,).

    Attributes:
        charger: index as in the session table of the same context; may be one past its last charger when the
            car is on a charger without a completed session.
        plug_in_s: UTC epoch seconds.
        power_kw: rated power.
        declared_plug_out_s: departure the driver declared, UTC epoch seconds; NaN when unknown.
        declared_energy_kwh: energy the driver declared; NaN when unknown.
        card: as in the session table; None when no cards are on file.
    """

    charger: NDArray[np.int32]
    plug_in_s: Seconds
    power_kw: Floats
    declared_plug_out_s: Floats
    declared_energy_kwh: Floats
    card: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.plug_in_s)

    @classmethod
    def undeclared(cls, *parts: Self) -> Self:
        """Return cars together, as if no driver had declared anything."""
        unknown = np.full(sum(len(part) for part in parts), np.nan)
        cards = [part.card for part in parts if part.card is not None]
        return cls(
            charger=np.concatenate([part.charger for part in parts]),
            plug_in_s=np.concatenate([part.plug_in_s for part in parts]),
            power_kw=np.concatenate([part.power_kw for part in parts]),
            declared_plug_out_s=unknown,
            declared_energy_kwh=unknown,
            card=np.concatenate(cards) if len(cards) == len(parts) else None,
        )

    def take(self, rows: Mask | slice) -> Self:
        """Return some of the cars."""
        return type(self)(
            charger=self.charger[rows],
            plug_in_s=self.plug_in_s[rows],
            power_kw=self.power_kw[rows],
            declared_plug_out_s=self.declared_plug_out_s[rows],
            declared_energy_kwh=self.declared_energy_kwh[rows],
            card=None if self.card is None else self.card[rows],
        )
