"""Whether another connection waits for what this one holds, without guessing how long it takes to get there."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection, transaction

PATIENCE_SECONDS = 60.0
BLOCKED_BY_US = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
)


def is_waited_for(*, unless: Callable[[], object]) -> bool:
    """Return True once somebody waits for a lock of our transaction, False if `unless` comes true before."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not unless():
        with connection.cursor() as cursor:
            cursor.execute(BLOCKED_BY_US)
            if cursor.fetchone()[0]:
                return True
        assert time.monotonic() < give_up_at, "neither did anybody wait for us, nor was it done"
        time.sleep(0.01)
    return False


def in_turn(first: Callable[[], object], second: Callable[[], Any]) -> Any:
    """Begin `second` while the transaction of `first` is still open, for which it has to wait; return what it gave."""

    def apart() -> Any:
        try:
            return second()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first()
            doing = pool.submit(apart)
            assert is_waited_for(unless=doing.done)
        return doing.result()
