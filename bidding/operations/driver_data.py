"""All that is known of drivers goes at once: what the field side knows, and the pause tests made of it.

forget_driver_data(*, now, kept_for) -> Forgotten
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from assets import operations as field_side
from assets.operations import Forgotten as ForgottenInTheField
from bidding.models import PauseTest


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows lost what they said of drivers, or went altogether."""

    field: ForgottenInTheField
    pause_tests: int


def forget_driver_data(*, now: datetime, kept_for: timedelta) -> Forgotten:
    """Forget what is older than `kept_for`; again, there is nothing left to do.

    A pause test names a driver's card, if only by its hash, so it goes with the rest.
    """
    return Forgotten(
        field=field_side.forget_driver_data(now=now, kept_for=kept_for),
        pause_tests=PauseTest.objects.filter(starts_at__lt=now - kept_for).delete()[0],
    )
