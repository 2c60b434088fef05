"""Advisory locks: one worker at a time on a thing that has no row of its own to lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, unique

from django.db import connection


class LockOutsideTransaction(RuntimeError):
    """A transaction lock was asked for where no transaction is open, so it would be released at once."""


@unique
class AdvisoryLock(IntEnum):
    """What can be locked. The numbers are shared by all running versions: never reuse or renumber."""

    BIDDING = 1
    DISPATCH = 2
    SETTLEMENT = 3
    OUTBOX = 4
    PARTNER_REPORTS = 5
    METER_PARTITIONS = 6
    UFTP_INBOX = 7
    STEERING_LIMITS = 8
    READINGS = 9
    BALANCING = 10


def take(lock: AdvisoryLock, key: int) -> None:
    """Wait for the lock on `key` and hold it to the end of the transaction."""
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [int(lock), key])


def try_take(lock: AdvisoryLock, key: int) -> bool:
    """Take the lock to the end of the transaction if it is free; tell whether it was."""
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [int(lock), key])
        return bool(cursor.fetchone()[0])


@contextmanager
def held_by_process(lock: AdvisoryLock, key: int) -> Iterator[bool]:
    """Hold the lock on `key` through a block if it is free, and tell whether it was.

    It goes with the database connection, so also with the process: a block must end where its connection was lost.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [int(lock), key])
        is_ours = bool(cursor.fetchone()[0])
    yield is_ours
    if is_ours:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [int(lock), key])


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise LockOutsideTransaction(
            "Open a transaction first (transaction.atomic): the lock lives as long as it does."
        )
