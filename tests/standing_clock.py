"""A clock that stands until a test moves it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass
class StandingClock:
    """Reads `instant`; set it to let time pass."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant

    def real_seconds(self, duration):
        return duration.total_seconds()
