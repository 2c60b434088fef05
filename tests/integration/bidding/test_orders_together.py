"""A bid and a call of one group in the same quarter hours: every kW counts for one of them."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db.models import F

from assets.models import AssetState, Setpoint
from bidding.dispatch.acts import stop_activation
from bidding.dispatch.operations import run_activation
from bidding.models import Activation, ActivationPtu, ActivationSample, Duty, LedgerEntry
from bidding.uftp.demands import Demand
from tests import called_contracts
from tests.integration.bidding.evening import BEFORE, MINUTE, PTU, STARTS_AT, asked_w


@pytest.fixture
def bid(activation):
    """100 kW less for three hours, of twenty cars of 11 kW and a battery that gives 48 kW."""
    return activation


@pytest.fixture
def call(bid, group):
    """60 kW less for the first half hour, called beside it, as the ledger allows."""
    LedgerEntry.objects.update(sellable_w=200_000)
    contract = called_contracts.make_contract(group, volume_w=60_000)
    return called_contracts.call(contract, [Demand(STARTS_AT + n * PTU, -60_000) for n in range(2)], now=BEFORE)


def asked_by(activation):
    """Return the assets that an activation asks now, or has planned to."""
    duties = activation.duties
    now, soon = duties.exclude(asked_w=F("alone_w")), duties.exclude(next_asked_w=F("alone_w"))
    return set((now | soon.filter(next_from__isnull=False)).values_list("asset_id", flat=True))


def minute(number, orders, fleet, *, disobey=()):
    """Play a minute: the orders have all assets do as told but for those that `disobey`; return what moved in W."""
    now = STARTS_AT + number * MINUTE
    told, moved_w = asked_w(now), 0
    for asset in fleet:
        alone_w = 0 if asset.kind == "battery" else 11_000
        power_w = alone_w if asset.pk in disobey else told.get(asset.pk, alone_w)
        AssetState.objects.filter(asset=asset).update(at=now, power_w=power_w)
        moved_w += alone_w - power_w
    for order in orders:
        run_activation(activation_id=order.pk, now=now + timedelta(seconds=5))
    return moved_w


def told_last(at):
    """Return what each asset was told last for the PTU at `at`, whoever told it."""
    setpoints = Setpoint.objects.filter(starts_at__lte=at, ends_at__gt=at).order_by("batch_id")
    return {one.asset_id: one.power_w[(at - one.starts_at) // PTU] for one in setpoints}


def newest_w(activation):
    return ActivationSample.objects.filter(activation=activation).order_by("-at")[0].delivered_w


@pytest.mark.parametrize("direction", ["reduce", "increase"])
def test_no_asset_has_a_part_in_two_orders_whatever_their_directions(bid, call, direction):
    Activation.objects.filter(pk=call.pk).update(direction=direction)
    for order in (bid, call):
        run_activation(activation_id=order.pk, now=BEFORE)
    assert asked_by(bid)
    assert bool(asked_by(call)) is (direction == "reduce")  # cars that charge already cannot take more
    assert not asked_by(bid) & asked_by(call)


def test_two_orders_move_their_power_together_and_the_loop_counts_each_kw_once(bid, call, fleet):
    orders = (bid, call)
    for order in orders:
        run_activation(activation_id=order.pk, now=BEFORE)
    planned_w = list(ActivationPtu.objects.filter(ptu_start=STARTS_AT).values_list("planned_w", "ordered_w"))
    assert all(plan_w >= order_w for plan_w, order_w in planned_w)

    moved_w = [minute(number, orders, fleet) for number in (2, 3)][-1]

    assert moved_w >= 160_000
    assert newest_w(bid) + newest_w(call) == moved_w
    assert newest_w(bid) >= 100_000
    assert newest_w(call) >= 60_000


def test_what_one_order_moves_does_not_hide_that_the_other_moves_nothing(bid, call, fleet):
    orders = (bid, call)
    for order in orders:
        run_activation(activation_id=order.pk, now=BEFORE)
    lazy = asked_by(call)

    minute(2, orders, fleet, disobey=lazy)
    minute(3, orders, fleet, disobey=lazy)

    assert newest_w(bid) >= 100_000
    assert newest_w(call) == 0
    kinds = set(call.alarms.filter(cleared_at=None).values_list("kind", flat=True))
    assert {"below_order", "not_following"} <= kinds
    assert not bid.alarms.filter(kind="below_order").exists()


def test_an_asset_that_two_orders_asked_at_the_same_moment_is_that_of_the_first(bid, call, fleet):
    run_activation(activation_id=bid.pk, now=BEFORE)
    doubled = asked_by(bid)
    Duty.objects.bulk_create(  # as if the other had not seen it yet
        Duty(
            activation=call, asset_id=duty.asset_id, asked_w=duty.alone_w, alone_w=duty.alone_w, usual_w=duty.usual_w,
            judged_from=STARTS_AT, next_asked_w=duty.next_asked_w, next_usual_w=duty.next_usual_w, next_from=STARTS_AT,
        )
        for duty in bid.duties.all()
    )  # fmt: skip

    minute(2, (bid, call), fleet)

    assert asked_by(bid) == doubled
    assert newest_w(bid) >= 100_000
    assert newest_w(call) == 0
    minute(5, (bid, call), fleet)
    minute(6, (bid, call), fleet)
    assert asked_by(bid) == doubled
    assert asked_by(call) - doubled
    assert newest_w(call) >= 60_000


def test_an_order_that_is_stopped_lets_go_of_no_asset_that_another_took_over(bid, call, fleet):
    # given cars that the call asked once, and that the bid asks now
    run_activation(activation_id=call.pk, now=BEFORE)
    once = asked_by(call)
    Duty.objects.filter(activation=call).delete()
    run_activation(activation_id=bid.pk, now=BEFORE + timedelta(seconds=1))
    taken_over = asked_by(bid) & once
    told = {pk: power_w for pk, power_w in told_last(STARTS_AT).items() if pk in taken_over}
    # when the call is stopped
    stop_activation(
        activation_id=call.pk, now=BEFORE + MINUTE, actor=User.objects.create_user("night"), reason="A driver rang."
    )
    # then they are told what the bid asks, and the others are free
    assert taken_over
    assert {pk: power_w for pk, power_w in told_last(STARTS_AT).items() if pk in taken_over} == told


def test_an_order_that_begins_when_another_ends_may_have_its_assets(bid, call):
    run_activation(activation_id=call.pk, now=BEFORE)
    Activation.objects.filter(pk=bid.pk).update(starts_at=call.ends_at)
    bid.ptus.filter(ptu_start__lt=call.ends_at).delete()

    run_activation(activation_id=bid.pk, now=BEFORE + 2 * PTU)

    assert asked_by(bid) & asked_by(call)
    assert asked_w(call.ends_at).keys() >= asked_by(bid)
