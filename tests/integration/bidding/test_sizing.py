"""Sizing on what the database knows: sessions with their cards, and the model the settings name."""

from datetime import datetime, timedelta

import pytest
from django.core import checks

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE
from assets.control.standing import steerable_w
from assets.models import Asset, AssetState, ChargingSession, SteeringLimit
from assets.operations import end_membership
from bidding.forecast.sessions import NO_CARD
from bidding.markets.exchange.orders import OrderState
from bidding.models import Activation, Bid, Commitment, LedgerEntry, NoBid
from bidding.operations import bids, sizing
from bidding.operations.orders import follow_order
from bidding.portfolio import group_at, plug_history
from tests.field_side import charger, enrol, make_assets, make_partner
from tests.integration.bidding.conftest import BEFORE, PTU

HELD_KW = 11
CONNECTION = "871685900012636543"


def test_sessions_carry_their_cards_by_number_and_what_was_not_told(fleet, group):
    cars = group_at(aggregation_ean=group, instant=BEFORE).plugs
    first, second = cars[0], cars[1]
    ChargingSession.objects.filter(asset=first).update(driver_token="a" * 64)
    ChargingSession.objects.filter(asset=second, plug_out_at=None).update(driver_token="a" * 64)

    history = plug_history(plugs=cars, now=BEFORE)

    of_first = history.asset_ids.index(first.pk)
    past = history.sessions.card[history.sessions.charger == of_first]
    assert len(set(past.tolist())) == 1
    assert past[0] != NO_CARD
    here = dict(zip(history.plugged_in.charger.tolist(), history.plugged_in.card.tolist(), strict=True))
    assert here[of_first] == here[history.asset_ids.index(second.pk)] == past[0]
    others = history.sessions.card[history.sessions.charger != of_first]
    assert set(others.tolist()) == {NO_CARD}


@pytest.mark.parametrize("model", ["nearest", "forests"])
def test_the_setting_names_the_model_that_forecasts(fleet, group, announcement, settings, model):
    if model == "forests":
        pytest.importorskip("sklearn", reason="the extra is not installed: pip install 'aggregator[forests]'")
    settings.STAY_MODEL = model
    sizing._stays.cache_clear()
    try:
        sized = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    finally:
        sizing._stays.cache_clear()
    assert sized.bid_w > 5 * HELD_KW * 1000, sized.reason


def battery_kw(sized):
    return {one["name"]: one["plugged_in_kw"] for one in sized.explanation["categories"]}.get("battery", 0.0)


def test_the_energy_of_a_battery_is_not_sold_twice(fleet, group, announcement):
    """It holds 160 kWh above its floor, of which 144 reach the grid: 48 kW for three hours."""
    alone = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    later = [announcement.ends_at + timedelta(hours=1) + n * PTU for n in range(4)]
    LedgerEntry.objects.bulk_create(
        LedgerEntry(aggregation_ean=group, ptu_start=ptu, direction="reduce", sellable_w=90_000) for ptu in later
    )
    LedgerEntry.objects.update(committed_w=72_000)  # for an hour: half of what it holds
    beside = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    LedgerEntry.objects.update(direction="increase")
    other_way = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)

    assert [battery_kw(each) for each in (alone, beside, other_way)] == [48.0, 24.0, 48.0]


def test_no_more_is_offered_than_limits_let_dispatch_move(fleet, group, announcement):
    free = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    SteeringLimit.objects.create(aggregation_ean=group, max_moved_w=150_000, reason="The grid operator asked for it.")
    limited = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    assert free.bid_w > limited.bid_w == 100_000
    assert limited.explanation["limited_by"] == "maximum_bid"


def test_what_a_connection_does_not_carry_is_not_offered(fleet, group, announcement):
    announcement.ends_at = announcement.starts_at + 4 * PTU
    plain = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    Asset.objects.filter(kind="charger").update(kind="v2g_charger", max_export_w=11_000, connection_ean=CONNECTION)
    feeding_in = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    limit = SteeringLimit.objects.create(connection_ean=CONNECTION, max_export_w=0, reason="No feeding in agreed.")
    held = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    limit.max_import_w = 60_000
    limit.save()
    small = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)

    assert feeding_in.bid_w > plain.bid_w == held.bid_w
    assert small.bid_w == 100_000  # of 60 kW behind the connection and a battery of 100 kW


@pytest.mark.parametrize(
    ("direction", "free_w", "most_w"), [("reduce", 540_000, 185_000), ("increase", 320_000, 160_000)]
)
def test_feeding_in_is_no_part_of_an_increase_and_each_way_has_its_limit(fleet, group, direction, free_w, most_w):
    Asset.objects.filter(kind="charger").update(kind="v2g_charger", max_export_w=11_000, connection_ean=CONNECTION)
    assets = group_at(aggregation_ean=group, instant=BEFORE).members
    assert steerable_w(aggregation_ean=group.ean, assets=assets, direction=direction) == free_w
    SteeringLimit.objects.create(
        connection_ean=CONNECTION, max_import_w=60_000, max_export_w=25_000, reason="The contract says so."
    )
    assert steerable_w(aggregation_ean=group.ean, assets=assets, direction=direction) == most_w


@pytest.mark.parametrize(("direction", "sold_kw"), [("reduce", 10.0), ("increase", 40.0)])
def test_a_battery_counts_for_what_its_connection_carries_that_way(fleet, group, announcement, direction, sold_kw):
    Asset.objects.filter(pk__in=[fleet[0].pk, fleet[-1].pk]).update(connection_ean=CONNECTION)
    AssetState.objects.filter(asset=fleet[-1]).update(level_wh=180_000 if direction == "reduce" else 20_000)
    announcement.direction = direction
    announcement.save()
    SteeringLimit.objects.create(
        connection_ean=CONNECTION, max_import_w=51_000, max_export_w=10_000, reason="The contract says so."
    )

    assert battery_kw(sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)) == sold_kw


def test_a_group_never_offers_more_than_its_maximum_by_itself(fleet, group, announcement, exchange, now):
    free = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    group.max_bid_w = 100_000
    group.save()
    capped = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    assert free.bid_w > capped.bid_w == 100_000
    assert capped.explanation["limited_by"] == "maximum_bid"

    first = bids.offer(announcement=announcement, aggregation_ean=group, sized=capped, exchange=exchange, now=now)
    announcement.pk, announcement.external_id = None, "A2"
    announcement.save()
    second = bids.offer(announcement=announcement, aggregation_ean=group, sized=capped, exchange=exchange, now=now)

    assert first.power_w == 100_000
    assert isinstance(second, NoBid)  # all of the maximum is sold


def test_assets_that_leave_before_the_window_ends_are_not_counted_on(fleet, group, announcement):
    whole = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    for asset in fleet[:10]:
        end_membership(asset_id=asset.pk, ends_at=announcement.ends_at - PTU, reason="sold", now=BEFORE)
    half = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    assert half.baseline_w[0] == pytest.approx(whole.baseline_w[0] / 2)
    assert half.explanation["power_kw"] < 0.7 * whole.explanation["power_kw"]


def test_the_baseline_of_a_window_is_that_of_the_same_local_hours_before_the_clock_changed(group):
    # given a car that comes at six each evening, Dutch time, and takes 11 kWh in an hour
    (car,) = make_assets(make_partner("Stadsladen"), [charger("c")])
    enrol(group, [car])
    for day in range(2, 29):
        came = datetime(2026, 3, day, 18, tzinfo=MARKET_ZONE)
        ChargingSession.objects.create(
            asset=car, external_id=f"{day}", plug_in_at=came, plug_out_at=came + timedelta(hours=3),
            energy_wh=11_000, max_import_w=11_000, known_at=came + timedelta(hours=3),
        )  # fmt: skip
    # when a baseline is asked for the Monday after summer time began
    begins = datetime(2026, 3, 30, 17, tzinfo=MARKET_ZONE)
    period = Interval(begins, begins + timedelta(hours=3))
    expected_w = sizing.expected_w(aggregation_ean=group, period=period, now=begins - timedelta(hours=8))
    # then it is expected at six as well
    assert expected_w == [0] * 4 + [11_000] * 4 + [0] * 4


def test_a_bid_rests_on_how_the_ones_before_it_went(fleet, group, announcement, exchange, now):
    first = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)
    bid = bids.offer(announcement=announcement, aggregation_ean=group, sized=first, exchange=exchange, now=now)
    follow_order(bid_id=bid.pk, state=OrderState("X1", "", bid.power_w, bid.price_eur_per_mwh, True, False), now=now)
    Activation.objects.update(is_kept=False)
    bid.refresh_from_db()
    assert bid.status == Bid.Status.CLEARED
    Commitment.objects.update(released_at=now)  # its energy is spent, only its outcome is left

    second = sizing.size(announcement=announcement, aggregation_ean=group, now=BEFORE)

    assert first.explanation["margin_history"] == ()
    assert second.explanation["margin_history"] == (first.explanation["margin"]["miss_share"],)
    assert second.explanation["margin"]["drift"] > first.explanation["margin"]["drift"] == 0.0
    assert second.explanation["power_kw"] <= first.explanation["power_kw"]


def test_only_a_charger_that_may_export_as_much_as_it_takes_counts_as_one_that_feeds_in(fleet, group):
    weak, able, unwilling = fleet[:3]
    Asset.objects.filter(pk__in=[able.pk, unwilling.pk]).update(kind="v2g_charger", max_export_w=11_000)
    Asset.objects.filter(pk=weak.pk).update(kind="v2g_charger", max_export_w=5_000)
    cars = group_at(aggregation_ean=group, instant=BEFORE).plugs
    assert sizing._traits(cars, {weak.pk, able.pk}).v2g.tolist() == [car.pk == able.pk for car in cars]


def test_a_model_that_is_not_there_is_told_at_the_start(settings):
    settings.STAY_MODEL = "oracle"
    (message,) = checks.run_checks(app_configs=None, tags=None)
    assert (message.id, "nearest, forests" in message.msg) == ("bidding.E001", True)
