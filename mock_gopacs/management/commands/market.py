"""`python -m mock_gopacs market`: moves the market with the clock, sends pushes and UFTP messages."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from aggregator.core.clock import clock_from_environment
from mock_gopacs.market import advance, next_due_at
from mock_gopacs.push import deliver_due
from mock_gopacs.uftp import outbox

SHORTEST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.2  # the clock can jump and a new scenario can come at any moment
logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Runs until it is told to stop; may be killed at any moment and started again."""

    help = "Publish, lock, clear, expire and call by the market's clock; push changes and send UFTP messages."

    def handle(self, *_args: Any, **_options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        senders = [
            threading.Thread(target=_repeat, args=(stop, work), name=work.__name__, daemon=True)
            for work in (_push, _send_uftp)
        ]
        for sender in senders:
            sender.start()
        _repeat(stop, _advance)
        for sender in senders:
            sender.join(timeout=10)


def _advance() -> float:
    """Do what is due, and return the seconds until something is due again (in real time)."""
    clock = clock_from_environment()
    due_at = next_due_at()
    if due_at and due_at <= clock.now():
        for step in advance(clock.now()):
            logger.info("%s: %s (%s)", step.at.isoformat(), step.event, step.subject)
        due_at = next_due_at()
    return clock.real_seconds(due_at - clock.now()) if due_at else LONGEST_PAUSE_SECONDS


def _push() -> float:
    """Deliver what is due, and return the seconds to wait before looking again."""
    return 0.0 if deliver_due() else LONGEST_PAUSE_SECONDS


def _send_uftp() -> float:
    """Send what is due, and return the seconds to wait before looking again."""
    return 0.0 if outbox.send_due() else LONGEST_PAUSE_SECONDS


def _repeat(stop: threading.Event, work: Callable[[], float]) -> None:
    """Do the work again and again; wait out a database that is away, and end the process on any other failure."""
    try:
        while not stop.is_set():
            try:
                pause = work()
            except (DatabaseError, InterfaceError):
                logger.exception("The database failed; trying again")
                close_old_connections()
                pause = LONGEST_PAUSE_SECONDS
            stop.wait(min(max(pause, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS))
    except Exception:  # whatever it was, the loops end together; logged as a change of code
        logger.exception("The market stops: this needs a change of code")
        os._exit(1)  # the loops live and die together; a half-alive market would mislead its clients
    finally:
        connection.close()
