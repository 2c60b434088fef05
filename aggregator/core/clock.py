"""The clock port: real time in production, one shared virtual time in demos and tests.

A virtual clock lives in a small file that every process reads, so that web, workers, the mock market and the
simulated CPO agree on the time without talking to each other. It runs at `speed` virtual seconds per real second
from an anchor; setting the speed (0 pauses) moves the anchor. Only entry points read the clock; the domain takes
`now` as a parameter.
"""

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from aggregator.core.interval import utc

CLOCK_FILE_VARIABLE = "AGGREGATOR_CLOCK_FILE"


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...

    def real_seconds(self, duration: timedelta) -> float:
        """Return how many real seconds `duration` takes on this clock (for sleeping)."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)

    def real_seconds(self, duration: timedelta) -> float:
        """Return the duration itself."""
        return duration.total_seconds()


@dataclass(frozen=True, slots=True)
class _Anchor:
    virtual: datetime
    real_seconds: float
    speed: float


class VirtualClock:
    """A clock shared through `path`; the anchor is machine-wide monotonic time, so wall-clock jumps do no harm."""

    PAUSED_POLL_SECONDS = 0.2  # a paused clock makes nothing due, so looking more often only takes power from others

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def create(cls, path: Path, *, starts_at: datetime, speed: float) -> "VirtualClock":
        """Write a new clock that reads `starts_at` now and runs at `speed`."""
        clock = cls(path)
        clock._write(_Anchor(utc(starts_at), time.monotonic(), speed))
        return clock

    def now(self) -> datetime:
        """Return the virtual instant."""
        anchor = self._read()
        return anchor.virtual + timedelta(seconds=(time.monotonic() - anchor.real_seconds) * anchor.speed)

    def stopped_at(self) -> datetime:
        """Return the virtual instant at which the speed was last set: where a stopped clock stands, across reboots."""
        return self._read().virtual

    def set_speed(self, speed: float) -> None:
        """Run on from the present virtual instant at `speed` virtual seconds per real second; 0 pauses."""
        anchor = self._read()
        moment = time.monotonic()
        virtual = anchor.virtual + timedelta(seconds=(moment - anchor.real_seconds) * anchor.speed)
        self._write(_Anchor(virtual, moment, speed))

    def real_seconds(self, duration: timedelta) -> float:
        """Return the real seconds until `duration` has passed; a short poll interval while paused."""
        speed = self._read().speed
        return duration.total_seconds() / speed if speed > 0 else self.PAUSED_POLL_SECONDS

    def _read(self) -> _Anchor:
        data = json.loads(self._path.read_text(encoding="utf-8"))
        return _Anchor(datetime.fromisoformat(data["virtual"]), data["real_seconds"], data["speed"])

    def _write(self, anchor: _Anchor) -> None:
        # Replaced in one step: a reader sees the old anchor or the new one, never half of it.
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        fresh.write_text(
            json.dumps(
                {"virtual": anchor.virtual.isoformat(), "real_seconds": anchor.real_seconds, "speed": anchor.speed}
            ),
            encoding="utf-8",
        )
        fresh.replace(self._path)


def clock_from_environment() -> Clock:
    """Return the virtual clock named by `AGGREGATOR_CLOCK_FILE`, or the machine's clock."""
    path = os.environ.get(CLOCK_FILE_VARIABLE)
    return VirtualClock(Path(path)) if path else SystemClock()
