"""Balancing energy: what TenneT settles is asked for and kept."""

import threading
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from aggregator.core.http import Response
from aggregator.core.models import AuditEvent
from aggregator.core.ptu import PTU, day_interval, ptu_number, ptus_of_day
from bidding.markets.afrr.client import TennetUnavailable
from bidding.models import BalancingBid
from settlement import queries
from settlement.balancing.operations import FinerThanKept, fetch_due, keep
from settlement.models import BalancingSettlement, BalancingSettlementPtu
from tests.balancing_settlements import DAY, settled_day
from tests.integration.settlement.balancing_side import MW, Told, balancing_bid
from tests.integration.settlement.conftest import WINDOW_START
from tests.waiting import in_turn

FIRST = ptu_number(WINDOW_START) - 1
NEXT_MORNING = day_interval(DAY).ends_at + timedelta(hours=10)
UP = {"reduce": (Decimal("0.002500"), Decimal("80.00"))}
DOWN = {"increase": (Decimal("0.001000"), Decimal("20.00"))}


def versions():
    return list(BalancingSettlement.objects.order_by("day", "version").values_list("version", "is_final"))


def told(at=NEXT_MORNING, **day):
    return keep(settled=settled_day(**day), asked_at=at, now=at)


def test_a_day_with_a_bid_is_asked_for_until_it_is_final(world):
    balancing_bid(WINDOW_START, parts={world.ean: MW})
    tennet = Told()
    assert fetch_due(tennet=tennet, now=day_interval(DAY).ends_at - timedelta(seconds=1)) == []
    assert tennet.asked == []  # the day is not over
    assert fetch_due(tennet=tennet, now=NEXT_MORNING) == []
    tennet.days[DAY] = settled_day(is_final=False, asked={FIRST: UP})
    (first,) = fetch_due(tennet=tennet, now=NEXT_MORNING)
    tennet.days[DAY] = settled_day(asked={FIRST: UP})
    (second,) = fetch_due(tennet=tennet, now=NEXT_MORNING + timedelta(hours=1))
    assert fetch_due(tennet=tennet, now=NEXT_MORNING + timedelta(hours=2)) == []
    assert tennet.asked == [DAY] * 3
    assert versions() == [(1, False), (2, True)]
    assert [queries.settled_day(one) for one in (first, second)] == [
        settled_day(is_final=False, asked={FIRST: UP}),
        settled_day(asked={FIRST: UP}),
    ]
    assert AuditEvent.objects.latest("pk").after == {"version": 2, "is_final": True, "amount_eur": "0.20"}


@pytest.mark.parametrize("status", BalancingBid.Status.values)
def test_only_days_with_bids_that_may_have_been_called_are_asked_for(world, status):
    balancing_bid(WINDOW_START, parts={world.ean: MW}, status=status)
    assert queries.balancing_days_to_ask(now=NEXT_MORNING) == ([DAY] if status in BalancingBid.MAY_BE_CALLED else [])


def test_days_are_dutch_and_go_back_as_far_as_corrections_count(world):
    midnight = day_interval(DAY).starts_at
    balancing_bid(midnight, parts={world.ean: MW})
    balancing_bid(midnight - PTU, parts={world.ean: MW})
    day_before = DAY - timedelta(days=1)
    assert queries.balancing_days_to_ask(now=NEXT_MORNING) == [day_before, DAY]
    assert queries.balancing_days_to_ask(now=NEXT_MORNING + timedelta(days=59)) == [DAY]
    assert queries.balancing_days_to_ask(now=NEXT_MORNING + timedelta(days=60)) == []


def test_the_day_asked_for_longest_ago_comes_first(world):
    days = [DAY + timedelta(days=number) for number in range(3)]
    for day in days:
        balancing_bid(day_interval(day).starts_at, parts={world.ean: MW})
    keep_at = NEXT_MORNING + timedelta(days=3)
    for number in (1, 0):
        told(keep_at + timedelta(hours=number), day=days[number], is_final=False)
    assert queries.balancing_days_to_ask(now=keep_at) == [days[2], days[0], days[1]]


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 1, 14), date(2026, 10, 25)])
def test_every_quarter_hour_of_a_day_is_kept_as_it_was_told(db, day):
    numbers = range(len(ptus_of_day(day)))
    assert len(numbers) in {92, 96, 100}
    asked = {
        one: {
            "reduce": (Decimal(one) / 1_000_000, Decimal("80.12345678")),
            "increase": (Decimal("999999.999999"), Decimal(-15000)),
            "missed": (Decimal("0.000001"), Decimal("0.5")),
            "penalty_eur": Decimal("12.3456"),
            "amount_eur": Decimal("-0.01"),
        }
        for one in numbers
    }
    version = told(day=day, asked=asked)
    assert queries.settled_day(BalancingSettlement.objects.get(pk=version.pk)) == settled_day(day=day, asked=asked)
    assert told(day=day, asked=asked) is None


def test_the_same_again_makes_no_version_but_is_confirmed(db):
    told(asked={FIRST: UP}, is_final=False)
    later = NEXT_MORNING + timedelta(hours=1)
    assert told(later, asked={FIRST: UP}, is_final=False) is None
    assert BalancingSettlement.objects.get().confirmed_at == later


def test_a_number_that_cannot_be_kept_as_it_was_told_is_not_kept(world, caplog):
    balancing_bid(WINDOW_START, parts={world.ean: MW})
    finer = settled_day(asked={FIRST: {"reduce": (Decimal("0.0000001"), Decimal(80))}})
    assert fetch_due(tennet=Told(finer), now=NEXT_MORNING) == []
    assert versions() == []
    assert "requested_reduce_mwh at 2026-01-14T17:00Z is 1E-7, but 6 decimals are kept" in caplog.text
    with pytest.raises(FinerThanKept):
        keep(settled=finer, asked_at=NEXT_MORNING, now=NEXT_MORNING)


def test_an_answer_that_was_overtaken_by_a_later_one_is_dropped(db):
    told(NEXT_MORNING, asked={FIRST: UP})
    before = NEXT_MORNING - timedelta(seconds=1)
    assert keep(settled=settled_day(is_final=False), asked_at=before, now=NEXT_MORNING) is None
    assert versions() == [(1, True)]


def test_what_goes_wrong_is_logged_once_a_round_and_a_day_that_cannot_be_read_holds_up_no_other(world, caplog):
    days = [DAY - timedelta(days=number) for number in (2, 1, 0)]
    for day in days:
        balancing_bid(day_interval(day).starts_at, parts={world.ean: MW})
    unreadable = TennetUnavailable("TenneT's settlement is not JSON", Response(200, {}, b"<html>"))
    tennet = Told(settled_day(days[2]))
    tennet.days |= {days[0]: unreadable, days[1]: unreadable}
    assert [one.day for one in fetch_due(tennet=tennet, now=NEXT_MORNING)] == [days[2]]
    assert tennet.asked == days
    (record,) = caplog.records
    assert f"{days[0]}: TenneT's settlement is not JSON; {days[1]}: TenneT's" in record.getMessage()


@pytest.mark.parametrize("answer", [None, Response(503, {}, b""), Response(429, {}, b"")])
def test_when_nobody_answers_the_other_days_are_left_for_the_next_round(world, caplog, answer):
    for number in range(3):
        balancing_bid(day_interval(DAY - timedelta(days=number)).starts_at, parts={world.ean: MW})
    tennet = Told()
    tennet.days = dict.fromkeys(queries.balancing_days_to_ask(now=NEXT_MORNING), TennetUnavailable("away", answer))
    assert fetch_due(tennet=tennet, now=NEXT_MORNING) == []
    assert len(tennet.asked) == len(caplog.records) == 1


def test_people_are_told_of_a_day_that_nobody_settles(world, caplog):
    balancing_bid(WINDOW_START, parts={world.ean: MW})
    fetch_due(tennet=Told(), now=NEXT_MORNING + timedelta(days=8))
    assert caplog.text == ""
    fetch_due(tennet=Told(), now=NEXT_MORNING + timedelta(days=9))
    assert "TenneT has not settled 2026-01-14, 10 days or more ago" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_two_workers_keep_one_version():
    start, made, failures = threading.Barrier(2), [], []

    def work():
        try:
            start.wait(timeout=10)
            made.append(told())
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert failures == []
    assert sorted(version is None for version in made) == [False, True]
    assert versions() == [(1, True)]


@pytest.mark.django_db(transaction=True)
def test_a_second_worker_waits_for_the_first():
    assert in_turn(told, told) is None
    assert versions() == [(1, True)]


@pytest.mark.parametrize(
    "ptu", [day_interval(DAY).ends_at, day_interval(DAY).starts_at - PTU, WINDOW_START + timedelta(minutes=1)]
)
def test_the_database_takes_no_quarter_hour_of_another_day(db, ptu):
    row = told().ptus.first()
    row.pk, row.ptu_start = None, ptu
    with pytest.raises(IntegrityError, match="no quarter hour of the settled Dutch day"), transaction.atomic():
        row.save()


@pytest.mark.parametrize("field", ["requested_reduce_mwh", "missed_increase_mwh", "penalty_eur"])
def test_the_database_takes_no_negative_energy_or_penalty(db, field):
    told()
    with pytest.raises(IntegrityError, match="settled_balancing_is_not_negative"), transaction.atomic():
        BalancingSettlementPtu.objects.update(**{field: Decimal(-1)})


def test_what_is_due_takes_as_many_queries_for_a_month_as_for_a_day(world):
    def queries_of(now):
        with CaptureQueriesContext(connection) as captured:
            queries.balancing_days_to_ask(now=now)
            queries.balancing_days_unsettled(now=now)
        return len(captured)

    balancing_bid(WINDOW_START, parts={world.ean: MW})
    now = NEXT_MORNING + timedelta(days=40)
    before = queries_of(now)
    for number in range(1, 30):
        day = DAY + timedelta(days=number)
        balancing_bid(day_interval(day).starts_at, parts={world.ean: MW})
        told(now, day=day, is_final=bool(number % 2))
    assert queries_of(now) == before
