"""What TenneT asks, as activations that grow with the bids and orders that dispatch plans by."""

import threading
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import connection, transaction

from aggregator.core.locks import try_take
from aggregator.core.ptu import ptu_start
from assets.models import AssetState, ChargingSession, SetpointBatch
from bidding import tasks
from bidding.dispatch.balancing import runs
from bidding.dispatch.balancing.following import Follower
from bidding.dispatch.balancing.orders import give_orders
from bidding.dispatch.balancing.runs import keep_runs
from bidding.dispatch.balancing.signals import note_setpoint
from bidding.dispatch.operations import run_activation
from bidding.markets.afrr.client import Outcome, Sent
from bidding.markets.afrr.real_time import Setpoint
from bidding.models import (
    Activation,
    ActivationPtu,
    BalancingBid,
    BalancingSignal,
)
from tests.integration.bidding.balancing_side import CYCLE, MINUTE, MW, PART_W, PTU, make_bid, rows_of
from tests.integration.bidding.evening import STARTS_AT, asked_w


@pytest.fixture
def night_fleet(fleet):
    """The same cars, seen an evening later: there all night with as much to charge."""
    at = STARTS_AT + timedelta(hours=6, minutes=45)
    ChargingSession.objects.filter(plug_out_at=None).update(
        plug_in_at=at - timedelta(minutes=30), declared_departure_at=at + timedelta(hours=10), declared_energy_wh=60_000
    )
    AssetState.objects.update(at=at)
    return fleet


# Activations grow with the bids.


def test_there_is_an_activation_half_an_hour_before_the_bid_and_it_grows(group):
    for number in range(3):
        make_bid(STARTS_AT + number * PTU, {group: PART_W})
    keep_runs(now=STARTS_AT - 31 * MINUTE - PTU)
    assert not Activation.objects.exists()

    keep_runs(now=STARTS_AT - 29 * MINUTE)
    run = Activation.objects.get()
    assert run.reference == f"afrr-{group.ean}-reduce-20260114T1600Z"
    assert (run.is_balancing, run.starts_at, run.ends_at) == (True, STARTS_AT, STARTS_AT + PTU)
    keep_runs(now=STARTS_AT - 5 * MINUTE)
    keep_runs(now=STARTS_AT + MINUTE)
    run = Activation.objects.get()
    assert (run.starts_at, run.ends_at) == (STARTS_AT, STARTS_AT + 3 * PTU)
    assert [(ptu.part_w, ptu.ordered_w) for ptu in run.ptus.all()] == [(PART_W, 0)] * 3
    str(run)


@pytest.mark.parametrize(("status", "number"), [("sending", 0), ("unknown", 1), ("refused", 0), ("taken_back", 0)])
def test_only_what_tennet_has_or_may_have_makes_an_activation(group, status, number):
    make_bid(STARTS_AT, {group: PART_W}, status=status)
    keep_runs(now=STARTS_AT - 5 * MINUTE)
    assert Activation.objects.count() == number


def test_a_gap_between_bids_and_a_new_day_begin_another(group):
    midnight = STARTS_AT + 7 * timedelta(hours=1)  # 23:00 UTC
    for ptu in (STARTS_AT, STARTS_AT + 2 * PTU, midnight - PTU, midnight):
        make_bid(ptu, {group: PART_W})
    for now in (STARTS_AT, STARTS_AT + PTU, midnight - PTU, midnight):
        keep_runs(now=now)
    periods = Activation.objects.order_by("starts_at").values_list("starts_at", "ends_at")
    assert [(starts_at, ends_at - starts_at) for starts_at, ends_at in periods] == [
        (STARTS_AT, PTU), (STARTS_AT + 2 * PTU, PTU), (midnight - PTU, PTU), (midnight, PTU)
    ]  # fmt: skip


def test_it_gets_shorter_only_when_a_bid_has_ended(group):
    bids = [make_bid(STARTS_AT + number * PTU, {group: PART_W}) for number in range(3)]
    keep_runs(now=STARTS_AT + MINUTE)
    keep_runs(now=STARTS_AT + 2 * MINUTE)
    assert Activation.objects.get().ends_at == STARTS_AT + 3 * PTU

    BalancingBid.objects.filter(pk=bids[2].pk).update(status="refused")
    keep_runs(now=STARTS_AT + 3 * MINUTE)
    assert Activation.objects.get().ends_at == STARTS_AT + 2 * PTU
    BalancingBid.objects.filter(pk=bids[0].pk).update(status="refused")
    BalancingBid.objects.filter(pk=bids[1].pk).update(status="refused")
    keep_runs(now=STARTS_AT + 4 * MINUTE)
    [row] = Activation.objects.get().ptus.all()
    assert (row.part_w, row.ordered_w) == (0, 0)


def test_one_that_finished_meanwhile_does_not_grow_and_another_begins(group, monkeypatch):
    make_bid(STARTS_AT, {group: PART_W})
    keep_runs(now=STARTS_AT)
    make_bid(STARTS_AT + PTU, {group: PART_W})

    def take_after_dispatch_was_quicker(lock, key):
        run_activation(activation_id=key, now=STARTS_AT + PTU + MINUTE)
        return try_take(lock, key)

    monkeypatch.setattr(runs, "try_take", take_after_dispatch_was_quicker)
    keep_runs(now=STARTS_AT + PTU + MINUTE)
    monkeypatch.undo()
    keep_runs(now=STARTS_AT + PTU + MINUTE)
    found = Activation.objects.order_by("starts_at").values_list("status", "starts_at", "ends_at")
    assert list(found) == [
        ("finished", STARTS_AT, STARTS_AT + PTU), ("ordered", STARTS_AT + PTU, STARTS_AT + 2 * PTU)
    ]  # fmt: skip
    assert ActivationPtu.objects.filter(ptu_start=STARTS_AT + PTU).count() == 1


# What is asked becomes the order.


def test_the_setpoint_is_shared_by_the_parts_of_each_quarter_hour(group, other):
    make_bid(STARTS_AT, {group: 2 * MW, other: MW})
    make_bid(STARTS_AT + PTU, {group: MW})
    make_bid(STARTS_AT, {other: 3 * MW}, direction="increase")
    keep_runs(now=STARTS_AT)

    orders = give_orders(delta_w=-1_500_001, now=STARTS_AT)

    ordered = ActivationPtu.objects.order_by("ptu_start", "activation__direction", "activation__aggregation_ean")
    assert [row.ordered_w for row in ordered] == [0, 1_000_001, 500_000, MW]
    assert orders.beyond_w == 0
    assert give_orders(delta_w=-3_200_000, now=STARTS_AT).beyond_w == 200_000
    assert give_orders(delta_w=4 * MW, now=STARTS_AT).beyond_w == MW
    assert [row.ordered_w for row in ordered.all()] == [3 * MW, 0, 0, 0]


@pytest.mark.django_db(transaction=True)
def test_what_is_being_planned_is_left_to_the_next_cycle(group, other):
    """Planning holds the rows that it writes for as long as it takes; a cycle never waits for it."""
    make_bid(STARTS_AT, {group: PART_W, other: PART_W})
    keep_runs(now=STARTS_AT)
    given = []

    def cycle():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '2s'")
            given.append(give_orders(delta_w=-PART_W, now=STARTS_AT))
        finally:
            connection.close()

    with transaction.atomic():
        row = rows_of()[group.ean]
        row.planned_w = 0
        row.save(update_fields=["planned_w"])
        thread = threading.Thread(target=cycle)
        thread.start()
        thread.join()
    assert {ean: row.ordered_w for ean, row in rows_of().items()} == {group.ean: 0, other.ean: PART_W // 2}
    assert list(given[0].is_zero) == [rows_of()[other.ean].activation_id]
    give_orders(delta_w=-PART_W, now=STARTS_AT)
    assert {row.ordered_w for row in rows_of().values()} == {PART_W // 2}


class Told:
    """A TenneT that asks what a test says, each cycle anew."""

    def __init__(self) -> None:
        self.now, self.asked_mw, self.measured = STARTS_AT, Decimal(0), []
        self.counts_from = STARTS_AT - timedelta(days=1)

    def real_seconds(self, duration):
        return duration.total_seconds()

    def fetch_setpoint(self):
        return Setpoint((self.now - self.counts_from) // CYCLE, self.now, self.asked_mw, is_valid=True)

    def send_measurement(self, measurement):
        self.measured.append(measurement)
        return Sent(Outcome.DONE, "")


def test_a_group_is_handed_to_planning_at_most_twice_a_minute_but_at_once_from_and_to_zero(group):
    make_bid(STARTS_AT, {group: MW})
    tennet, handed = Told(), []
    clock = SimpleNamespace(now=lambda: tennet.now)
    follower = Follower(tennet=tennet, clock=clock, plan=lambda _pk: handed.append(seconds))
    asked_mw = {0: "0", 4: "0.01", 8: "0.02", 12: "0.5", 40: "0.51", 44: "0", 48: "0.3"}
    for seconds in range(0, 56, 4):
        tennet.now = STARTS_AT + timedelta(seconds=seconds)
        tennet.asked_mw = Decimal(asked_mw.get(seconds, tennet.asked_mw))
        follower.cycle()
        if seconds == 8:  # the plan was made; what is asked later waits for its turn
            ActivationPtu.objects.update(planned_for_w=20_000)
        if seconds == 40:
            ActivationPtu.objects.update(planned_for_w=510_000)
    assert handed == [8, 40, 44, 48]


def test_tennet_may_count_anew_after_we_went_back_to_nothing(group):
    make_bid(STARTS_AT, {group: MW})
    tennet, ordered_w = Told(), {}
    tennet.asked_mw = Decimal("0.5")
    follower = Follower(tennet=tennet, clock=SimpleNamespace(now=lambda: tennet.now), plan=lambda _pk: None)
    for seconds in range(0, 92, 4):
        tennet.now = STARTS_AT + timedelta(seconds=seconds)
        if seconds == 4:  # whose numbers go back belongs to another count, or to another day
            tennet.counts_from, tennet.asked_mw = tennet.now, Decimal("0.3")
        follower.cycle()
        ordered_w[seconds] = rows_of()[group.ean].ordered_w
    assert {second: ordered_w[second] for second in (0, 4, 72, 76, 80)} == {
        0: 500_000, 4: 500_000, 72: 500_000, 76: 0, 80: 300_000,
    }  # fmt: skip
    assert list(BalancingSignal.objects.order_by("pk").values_list("use", flat=True)) == [
        "followed", "lost", "given_up", "followed",
    ]  # fmt: skip


def test_what_is_handed_over_and_lost_is_handed_over_again(group):
    make_bid(STARTS_AT, {group: MW})
    tennet, handed = Told(), []
    tennet.asked_mw = Decimal("0.5")
    clock = SimpleNamespace(now=lambda: tennet.now)

    def plan(_pk):
        handed.append((tennet.now - STARTS_AT).seconds)
        raise OSError("The broker is away.")

    follower = Follower(tennet=tennet, clock=clock, plan=plan)
    for seconds in (0, 4):
        tennet.now = STARTS_AT + timedelta(seconds=seconds)
        follower.cycle()
    assert handed == [0, 4]
    assert rows_of()[group.ean].ordered_w == MW // 2
    assert len(tennet.measured) == 2


def test_the_task_plans_by_the_newest_order_and_a_second_one_finds_nothing_to_do(group, fleet, monkeypatch):
    make_bid(STARTS_AT, {group: PART_W})
    keep_runs(now=STARTS_AT)
    now = STARTS_AT + MINUTE
    note_setpoint(Setpoint(1, now, Decimal("0.12"), is_valid=True), longest_age=timedelta(seconds=12))
    give_orders(delta_w=-PART_W, now=now)
    monkeypatch.setattr(tasks, "clock", lambda: SimpleNamespace(now=lambda: now))
    run = Activation.objects.get()
    tasks.plan_balancing(run.pk)
    batches = SetpointBatch.objects.count()
    assert batches > 0
    assert rows_of()[group.ean].planned_for_w == PART_W
    tasks.plan_balancing(run.pk)
    assert SetpointBatch.objects.count() == batches
    assert not give_orders(delta_w=-PART_W, now=now).is_zero


def test_a_battery_charges_when_more_is_asked_and_stops_when_nothing_is(group, fleet):
    make_bid(STARTS_AT, {group: PART_W}, direction="increase")
    keep_runs(now=STARTS_AT)
    store, told = fleet[-1], []
    AssetState.objects.filter(asset=store).update(level_wh=100_000)
    run = Activation.objects.get()
    for minute, asked_mw in ((1, "-0.08"), (2, "0")):
        now = STARTS_AT + minute * MINUTE
        setpoint = Setpoint(minute, now, Decimal(asked_mw), is_valid=True)
        note_setpoint(setpoint, longest_age=timedelta(seconds=12))
        give_orders(delta_w=setpoint.delta_w, now=now)
        run_activation(activation_id=run.pk, now=now)
        told.append(asked_w(STARTS_AT).get(store.pk, 0))
    assert told[0] > 50_000
    assert told[1] == 0


def test_a_call_goes_on_over_midnight_from_one_activation_to_the_next(night_fleet, group):
    midnight = STARTS_AT + 7 * timedelta(hours=1)
    for ptu in (midnight - PTU, midnight):
        make_bid(ptu, {group: PART_W})
    held = []
    for minute in range(-14, 6):
        now = midnight + minute * MINUTE
        keep_runs(now=now)
        note_setpoint(Setpoint(minute, now, Decimal("0.12"), is_valid=True), longest_age=timedelta(seconds=70))
        give_orders(delta_w=-PART_W, now=now)
        for run in Activation.objects.exclude(status="finished").order_by("pk"):
            run_activation(activation_id=run.pk, now=now)
        told = asked_w(ptu_start(now))
        moved_w = [11_000 - told.get(car.pk, 11_000) for car in night_fleet[:-1]]
        held.append(sum(moved_w) - told.get(night_fleet[-1].pk, 0))
    assert Activation.objects.count() == 2
    assert min(held) >= PART_W
