"""Half-open periods between two UTC instants."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


class InvalidInterval(ValueError):
    """An instant without a time zone, or a period that does not end after it starts."""


def utc(instant: datetime) -> datetime:
    """Return `instant` in UTC; raise `InvalidInterval` when it does not say its time zone."""
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise InvalidInterval(
            f"{instant.isoformat()} has no time zone, so it could mean several instants. "
            "Give it with an offset, for example 2026-01-14T17:00:00+01:00 or …T16:00:00Z."
        )
    return instant.astimezone(UTC)


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The period from `starts_at` up to, not including, `ends_at`; both aware, kept in UTC."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts_at", utc(self.starts_at))
        object.__setattr__(self, "ends_at", utc(self.ends_at))
        if self.ends_at <= self.starts_at:
            raise InvalidInterval(
                f"The period ends at {self.ends_at.isoformat()}, which is not after its start "
                f"{self.starts_at.isoformat()}. Swap them, or check the date."
            )

    def __contains__(self, instant: datetime) -> bool:
        return self.starts_at <= instant < self.ends_at

    @property
    def duration(self) -> timedelta:
        """The length of the period."""
        return self.ends_at - self.starts_at

    def overlaps(self, other: "Interval") -> bool:
        """Tell whether the two periods share any instant."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at

    def steps(self, length: timedelta) -> Iterator["Interval"]:
        """Yield consecutive pieces of `length`; the last may be shorter."""
        start = self.starts_at
        while start < self.ends_at:
            end = min(start + length, self.ends_at)
            yield Interval(start, end)
            start = end
