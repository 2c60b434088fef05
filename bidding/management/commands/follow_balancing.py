"""Follow TenneT's setpoint for balancing energy, each cycle, until told to stop."""

import logging
import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection

from aggregator.core.locks import AdvisoryLock, held_by_process
from aggregator.core.services import clock
from bidding.dispatch.balancing.following import Follower
from bidding.dispatch.balancing.replanning import LEAST_BETWEEN
from bidding.services import tennet_in_real_time
from bidding.tasks import plan_balancing

AGAIN_SECONDS = 2.0
"""After which a database that was away, or a lock that another process held, is tried again."""
INTO_CYCLE = timedelta(seconds=0.3)
"""After a cycle begins at TenneT: its setpoint is there, whatever our clocks differ by."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """`manage.py follow_balancing`; may be killed at any moment and started again."""

    help = __doc__ or ""

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            tennet_in_real_time()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        follow(stop)


def follow(stop: threading.Event) -> None:
    """Follow until `stop` is set, one process at a time; wait out a database that is away."""
    was_told = ""
    while not stop.is_set():
        try:
            with held_by_process(AdvisoryLock.BALANCING, 0) as is_ours:
                trouble = "" if is_ours else "Another process follows TenneT; this one waits for its turn."
                was_told = _told(trouble, was_told)
                if is_ours:
                    _follow_as_the_one(stop)
        except (DatabaseError, InterfaceError) as error:
            was_told = _told(
                f"The database failed; it is tried again. Meanwhile nobody follows TenneT: {error}", was_told
            )
            connection.close()
        stop.wait(AGAIN_SECONDS)


def _follow_as_the_one(stop: threading.Event) -> None:
    follower = Follower(tennet=tennet_in_real_time(), clock=clock(), plan=_plan)
    while not stop.is_set():
        follower.cycle()
        stop.wait(_seconds_to_next(clock().now()))


def _seconds_to_next(now: datetime) -> float:
    """Return the real seconds to just after the next cycle begins, so that each is asked for once."""
    cycle = settings.AFRR_CYCLE
    since = (now - INTO_CYCLE - EPOCH) % cycle
    return clock().real_seconds(cycle - since)


def _plan(activation_id: int) -> None:
    """Put it on dispatch's queue; one that waits there long has been handed over again since."""
    plan_balancing.apply_async(
        (activation_id,), queue="dispatch", retry=False, expires=2 * LEAST_BETWEEN.total_seconds()
    )


def _told(trouble: str, before: str) -> str:
    """Log a trouble once, and return what was told last."""
    if trouble and trouble != before:
        logger.warning("%s", trouble)
    return trouble
