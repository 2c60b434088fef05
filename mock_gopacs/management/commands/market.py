"""`python -m mock_gopacs market`: the process that moves the market with the clock and delivers pushes."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections, connection

from aggregator.core.clock import clock_from_environment
from mock_gopacs.market import advance
from mock_gopacs.push import deliver_due

PAUSE_SECONDS = 0.05
logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Runs until it is told to stop; may be killed at any moment and started again."""

    help = "Publish, lock, clear and expire by the market's clock, and push changes to participants."

    def handle(self, *_args: Any, **_options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        pushing = threading.Thread(target=_repeat, args=(stop, deliver_due), name="push", daemon=True)
        pushing.start()
        _repeat(stop, _advance)
        pushing.join(timeout=10)


def _advance() -> None:
    for step in advance(clock_from_environment().now()):
        logger.info("%s: %s (%s)", step.at.isoformat(), step.event, step.subject)


def _repeat(stop: threading.Event, work: Callable[[], object]) -> None:
    """Do the work again and again; wait out a database that is away, and end the process on any other failure."""
    try:
        while not stop.is_set():
            try:
                work()
                pause = PAUSE_SECONDS
            except DatabaseError:
                logger.exception("The database failed; trying again")
                close_old_connections()
                pause = 1.0
            stop.wait(pause)
    except Exception:
        logger.exception("The market stops: this needs a change of code")
        os._exit(1)  # both loops live and die together; a half-alive market would mislead its clients
    finally:
        connection.close()
