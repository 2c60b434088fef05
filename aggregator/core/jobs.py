"""Background work as rows: who ran what, for how long, and why it failed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import IntegrityError, transaction

from aggregator.core.clock import Clock
from aggregator.core.models import Job
from aggregator.core.storable import storable

logger = logging.getLogger(__name__)

ABANDONED_AFTER = timedelta(minutes=15)


class AlreadyRunning(RuntimeError):
    """The same work is being done by another process."""


@contextmanager
def job(*, kind: str, key: str, clock: Clock) -> Iterator[Job]:
    """Run a block as a visible job; raise `AlreadyRunning` if the same kind and key is at work elsewhere.

    A job whose process died keeps its row; after `ABANDONED_AFTER` it no longer stands in the way.
    """
    started_at = clock.now()
    with transaction.atomic():
        Job.objects.filter(
            kind=kind, key=key, status=Job.Status.RUNNING, started_at__lt=started_at - ABANDONED_AFTER
        ).update(status=Job.Status.FAILED, finished_at=started_at, error="The process that ran it is gone.")
    try:
        with transaction.atomic():
            row = Job.objects.create(kind=kind, key=key, status=Job.Status.RUNNING, started_at=started_at)
    except IntegrityError as error:
        raise AlreadyRunning(f"{kind} {key} is already running; wait for it, or for {ABANDONED_AFTER}.") from error
    try:
        yield row
    except BaseException as error:  # Ctrl-C too: a row that runs and has finished cannot be stored
        row.status, row.error = Job.Status.FAILED, storable(f"{type(error).__name__}: {error}")
        raise
    else:
        row.status = Job.Status.DONE
    finally:
        row.finished_at = clock.now()
        row.save(update_fields=["status", "error", "summary", "finished_at"])
