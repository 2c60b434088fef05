"""The process that follows TenneT: one at a time, killed or without its database at any moment."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg.conninfo import make_conninfo

from aggregator.core.locks import AdvisoryLock
from bidding.models import BalancingBid, BalancingSignal, Commitment, LedgerEntry
from tests.bid_documents import BSP
from tests.integration.bidding.evening import STARTS_AT
from tests.integration.mock_gopacs.bsp_side import tennet_scenario
from tests.integration.mock_gopacs.market_process import end, wait_until
from tests.shared_data import REPOSITORY

CYCLE = timedelta(seconds=4)
WHERE = ("host", "port", "user", "password", "dbname")


def test_without_tennet_it_says_which_settings_are_missing(settings):
    settings.TENNET_URL = ""
    with pytest.raises(CommandError, match="Set TENNET_URL"):
        call_command("follow_balancing")


def start(market, log):
    given = connection.get_connection_params()
    environment = {
        **os.environ,
        "DATABASE_URL": make_conninfo(**{name: given[name] for name in WHERE if name in given}),
        "REDIS_URL": settings.REDIS_URL,
        "TENNET_URL": market.address,
        "TENNET_API_KEY": "bsp-key",
        "TENNET_PARTY_ID": BSP,
        "HTTP_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        "AGGREGATOR_CLOCK_FILE": str(market.clock_file),
    }
    command = [sys.executable, "manage.py", "follow_balancing"]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, start_new_session=True, stderr=log)


def holder():
    """Return the database session that follows; None where nobody does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [int(AdvisoryLock.BALANCING)],
        )
        found = [row[0] for row in cursor.fetchall()]
    assert len(found) <= 1
    return found[0] if found else None


def cycles():
    return sum(BalancingSignal.objects.values_list("cycles", flat=True))


@pytest.mark.django_db(transaction=True)
def test_one_follows_another_takes_over_and_a_lost_database_is_waited_for(market_process, group, tmp_path):
    bid = BalancingBid.objects.create(
        document_mrid="document", ptu_start=STARTS_AT, direction="reduce", power_w=1_000_000, status="stands",
        price_eur_per_mwh=Decimal(70), made_at=STARTS_AT - timedelta(hours=1), updated_at=STARTS_AT,
    )  # fmt: skip
    entry = LedgerEntry.objects.create(
        aggregation_ean=group, ptu_start=STARTS_AT, direction="reduce", sellable_w=1_000_000
    )
    Commitment.objects.create(entry=entry, balancing_bid=bid, power_w=1_000_000, committed_at=STARTS_AT)
    market_process.set_clock(STARTS_AT - timedelta(hours=2))
    market_process.load(tennet_scenario())
    market_process.set_clock(STARTS_AT + timedelta(seconds=20), speed=4)
    with ExitStack() as stack:

        def begin(name):
            log = stack.enter_context((tmp_path / name).open("w+b"))
            process = start(market_process, log)
            stack.callback(end, process, signal.SIGKILL)
            return process

        def goes_on(than):
            heard = cycles()
            return wait_until(lambda: holder() not in {None, than} and cycles() > heard)

        first = begin("first")
        assert wait_until(lambda: cycles() > 2)
        second = begin("second")
        assert wait_until(lambda: "waits for its turn" in (tmp_path / "second").read_text())

        followed_by = holder()
        end(first, signal.SIGKILL)
        assert goes_on(than=followed_by)

        followed_by = holder()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [followed_by])
        assert goes_on(than=followed_by)
        assert (tmp_path / "second").read_text().count("nobody follows TenneT") == 1

        end(second, signal.SIGTERM)
        assert second.returncode == 0
    rows = BalancingSignal.objects.order_by("at")
    assert all(row.cycles <= (row.last_at - row.at) // CYCLE + 1 for row in rows)
    assert all(before.last_at < after.at for before, after in pairwise(rows))
