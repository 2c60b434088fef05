"""Setpoints as they arrive: reading a batch, deciding what to accept, and the table of limits that physics obeys."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregator.core.interval import Interval, utc
from aggregator.core.ptu import PTU_SECONDS
from assets.simulator.portfolio import Asset
from assets.simulator.sessions import MINUTE

PTU_MINUTES = PTU_SECONDS // MINUTE


class InvalidBatch(ValueError):
    """The body is not a batch of setpoints."""


@dataclass(frozen=True, slots=True)
class Setpoint:
    """What one asset is told: a power per PTU from `starts_at` (UTC seconds), for at most `ttl_s`."""

    setpoint_id: int
    asset: str
    starts_at: int
    ends_at: int
    power_w: tuple[int, ...]
    start_early_s: int = 0
    end_late_s: int = 0
    ttl_s: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Setpoints that came together."""

    batch_id: int
    setpoints: tuple[Setpoint, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one setpoint; an empty reason says it was accepted."""

    setpoint_id: int
    reason: str

    def row(self) -> dict[str, Any]:
        """Return the answer as the aggregator reads it."""
        status = "rejected" if self.reason else "accepted"
        return {"setpoint_id": self.setpoint_id, "status": status, "reason": self.reason}


def read_batch(body: bytes) -> Batch:
    """Return the batch in a callback's body; raise `InvalidBatch`."""
    try:
        document = json.loads(body)
        return Batch(
            batch_id=int(document["batch_id"]),
            setpoints=tuple(
                Setpoint(
                    setpoint_id=int(row["setpoint_id"]),
                    asset=str(row["asset"]),
                    starts_at=_seconds(row["starts_at"]),
                    ends_at=_seconds(row["ends_at"]),
                    power_w=tuple(int(power) for power in row["power_w"]),
                    start_early_s=int(row.get("start_early_s", 0)),
                    end_late_s=int(row.get("end_late_s", 0)),
                    ttl_s=None if row.get("ttl_s") is None else int(row["ttl_s"]),
                )
                for row in document["setpoints"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidBatch(f"The body is not a batch of setpoints: {error!r}.") from error


def _seconds(text: str) -> int:
    return int(utc(datetime.fromisoformat(text)).timestamp())


def answers(
    *, batch: Batch, assets: Mapping[str, Asset], now: int, too_soon: Collection[str] = ()
) -> tuple[Answer, ...]:
    """Return for each setpoint whether its asset (by external id, this partner's only) takes it."""
    return tuple(
        Answer(
            row.setpoint_id,
            "TOO_OFTEN: it was told something a moment ago."
            if row.asset in too_soon
            else _refusal(row, assets.get(row.asset), now),
        )
        for row in batch.setpoints
    )


def _refusal(setpoint: Setpoint, asset: Asset | None, now: int) -> str:
    """Return why the setpoint is not accepted, or nothing."""
    if asset is None:
        return f"No asset {setpoint.asset} here."
    duration = setpoint.ends_at - setpoint.starts_at
    if duration <= 0 or len(setpoint.power_w) != -(-duration // PTU_SECONDS):
        return f"The period of {duration} s does not fit {len(setpoint.power_w)} values of 15 minutes."
    if setpoint.ends_at <= now:
        return f"The period was over at {datetime.fromtimestamp(setpoint.ends_at, UTC).isoformat()}."
    if max(setpoint.power_w) > asset.max_import_w or min(setpoint.power_w) < -asset.max_export_w:
        return f"Outside {-asset.max_export_w}..{asset.max_import_w} W."
    return "The charger refused the profile." if asset.behaviour == "rejects" else ""


def _let_go(power_w: Sequence[int]) -> int:
    """Return the number of the value from which an asset is let go to the end of its setpoint, 0 for none."""
    number = len(power_w) - 1
    while number and power_w[number - 1] == power_w[-1]:
        number -= 1
    return number if number and power_w[number - 1] < power_w[-1] else 0


class Schedule:
    """What every asset is told in every minute of the simulated period.

    A later batch replaces what it overlaps; what is not told anew within its time to live is over then.
    """

    def __init__(self, *, period: Interval, positions: Mapping[str, int]) -> None:
        """Start empty; `positions` maps external ids to positions in the portfolio."""
        self._starts_at = int(period.starts_at.timestamp())
        minutes = int(period.duration.total_seconds()) // MINUTE
        self._positions = positions
        self._limit_kw = np.full((minutes, len(positions)), np.nan)
        self._owner = np.full((minutes, len(positions)), -1, dtype=np.int64)
        self._applied: dict[int, tuple[int, tuple[Setpoint, ...]]] = {}

    def apply(self, batch_id: int, accepted: tuple[Setpoint, ...], *, came_at: int = 0) -> None:
        """Write the accepted setpoints of a batch; a batch that comes after a younger one stays beneath it."""
        is_youngest = batch_id > max(self._applied, default=-1)
        self._applied[batch_id] = came_at, accepted
        for number in [batch_id] if is_youngest else sorted(self._applied):
            came_at, setpoints = self._applied[number]
            for setpoint in setpoints:
                self._write(setpoint, came_at)

    def _write(self, setpoint: Setpoint, came_at: int) -> None:
        asset = self._positions[setpoint.asset]
        first = (setpoint.starts_at - self._starts_at) // MINUTE
        end = (setpoint.ends_at - self._starts_at) // MINUTE
        last = len(setpoint.power_w) - 1
        early, late = round(setpoint.start_early_s / MINUTE), round(setpoint.end_late_s / MINUTE)
        for number, power_w in enumerate(setpoint.power_w):
            start = max(first + number * PTU_MINUTES - (early if number == 0 else 0), 0)
            stop = max(min(first + (number + 1) * PTU_MINUTES, end) + (late if number == last else 0), 0)
            self._limit_kw[start:stop, asset] = power_w / 1000
            self._owner[start:stop, asset] = setpoint.setpoint_id
        let_go = _let_go(setpoint.power_w)
        if let_go:
            start = first + let_go * PTU_MINUTES
            self._limit_kw[max(start, 0) : max(start + late, 0), asset] = setpoint.power_w[let_go - 1] / 1000
        if setpoint.ttl_s is not None:
            lapses = max(setpoint.starts_at, came_at) + setpoint.ttl_s - self._starts_at
            over = slice(max(lapses // MINUTE + late, 0), max(end + late, 0))
            self._limit_kw[over, asset], self._owner[over, asset] = np.nan, -1

    def at(self, minute: int) -> npt.NDArray[np.float64]:
        """Return the power each asset is told to keep in the minute that starts at `minute` (UTC seconds)."""
        row: npt.NDArray[np.float64] = self._limit_kw[self._row(minute)]
        return row

    def owner_at(self, minute: int) -> npt.NDArray[np.int64]:
        """Return the setpoint that rules each asset in that minute, -1 where none does."""
        row: npt.NDArray[np.int64] = self._owner[self._row(minute)]
        return row

    def _row(self, minute: int) -> int:
        """Return the row of a minute; before the period and after it, its first and last."""
        return min(max((minute - self._starts_at) // MINUTE, 0), len(self._limit_kw) - 1)

    def is_in_force(self, setpoint: Setpoint, ptu_starts_at: int) -> bool:
        """Tell whether the setpoint, and no later one, ruled its asset in the whole PTU."""
        first = (ptu_starts_at - self._starts_at) // MINUTE
        owners = self._owner[first : first + PTU_MINUTES, self._positions[setpoint.asset]]
        return bool((owners == setpoint.setpoint_id).all())
