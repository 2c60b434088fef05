"""What changes under a running order: cars that come and go, when assets move, and the kill switch."""

from datetime import timedelta

import pytest

from assets import operations as portfolio
from assets.models import Asset, AssetState, ChargingSession, Setpoint, SetpointBatch, SteeringLimit
from bidding.dispatch import planning
from bidding.dispatch.intent import intent_of
from bidding.models import ActivationPtu, ActivationSample, Duty
from tests.integration.bidding.evening import BEFORE, MINUTE, STARTS_AT, asked_w

RAMP_S = 300


def leave(cars, *, at):
    ChargingSession.objects.filter(asset__in=cars, plug_out_at=None).update(plug_out_at=at)
    AssetState.objects.filter(asset__in=cars).update(is_plugged_in=False, power_w=0)


def come(cars, *, at):
    ChargingSession.objects.bulk_create(
        ChargingSession(asset=car, external_id=f"{car.pk}-new", plug_in_at=at, max_import_w=11_000, known_at=at)
        for car in cars
    )
    AssetState.objects.filter(asset__in=cars).update(is_plugged_in=True, power_w=11_000)


def end_membership(cars, *, at):
    for car in cars:
        portfolio.end_membership(asset_id=car.pk, ends_at=at, reason="it moves", now=BEFORE)


def test_cars_that_come_during_an_order_that_is_short_are_asked_too(evening):
    late = evening.fleet[4:20]
    leave(late, at=BEFORE - MINUTE)
    evening.silent = {car.pk for car in late}
    evening.plan()
    assert not asked_w().keys() & evening.silent
    assert "not_enough" in evening.alarms()

    for number in (2, 3):
        evening.minute(number)
    come(late, at=STARTS_AT + 3 * MINUTE)
    evening.silent = set()
    evening.minute(6)

    assert set(evening.held()) & {car.pk for car in late}
    evening.minute(7)
    assert ActivationSample.objects.order_by("-at")[0].delivered_w >= 100_000
    assert "not_enough" not in evening.alarms()


def test_cars_that_leave_are_replaced_in_the_same_quarter_hour(evening):
    evening.plan().minute(2)
    gone = [car for car in evening.fleet if car.pk in evening.held()][:5]
    before = set(evening.held())
    leave(gone, at=STARTS_AT + 2 * MINUTE)
    evening.silent = {car.pk for car in gone}

    for number in (3, 4, 5):
        evening.minute(number)

    assert set(evening.held()) - before
    newest = SetpointBatch.objects.order_by("-revision").first()
    assert not set(newest.setpoints.values_list("asset_id", flat=True)) & evening.silent
    assert ActivationSample.objects.order_by("-at")[0].delivered_w >= 100_000


def test_who_leaves_the_group_too_soon_has_no_part_in_it_and_others_take_its_place(evening):
    leaving = evening.fleet[:10]
    end_membership(leaving, at=STARTS_AT + 60 * MINUTE)

    evening.plan()

    gone = {car.pk for car in leaving}
    assert not (asked_w().keys() | set(Duty.objects.values_list("asset_id", flat=True))) & gone
    ptu = ActivationPtu.objects.get(ptu_start=STARTS_AT)
    parts_w = [one.next_usual_w - one.next_asked_w for one in Duty.objects.all() if one.next_asked_w != one.alone_w]
    assert ptu.planned_w == pytest.approx(sum(parts_w), abs=len(parts_w))
    assert ptu.planned_w > 100_000
    assert [evening.minute(number) for number in (2, 3, 4)] == [0, 0, 0]
    assert not Duty.objects.exclude(cause="")
    assert evening.alarms() == set()


def test_where_nobody_takes_the_place_of_who_leaves_the_group_that_much_is_missing_and_no_limits_doing(evening):
    end_membership(evening.fleet[:18], at=STARTS_AT + 60 * MINUTE)

    evening.plan()

    ptu = ActivationPtu.objects.get(ptu_start=STARTS_AT)
    assert (ptu.planned_w, ptu.limited_w) == (70_000, 0)  # two cars, and what the battery gives for three hours
    assert evening.alarms() == {"not_enough"}


def test_who_leaves_the_group_after_the_window_is_asked_and_does_not_wait_longer_than_that(evening):
    end_membership(evening.fleet[:-1], at=evening.activation.ends_at + 15 * MINUTE)

    evening.plan()

    waits = Setpoint.objects.exclude(asset=evening.fleet[-1])
    after = {one.ends_at - evening.activation.ends_at for one in waits}
    assert after == {0 * MINUTE, 15 * MINUTE}
    assert len(waits) > 4


def test_whom_the_gate_leaves_out_has_no_part_in_the_plan(evening, monkeypatch):
    def read_just_before_some_became_inactive(*args, **kwargs):
        intent = intent_of(*args, **kwargs)
        Asset.objects.filter(pk__in=[car.pk for car in evening.fleet[:18]]).update(is_active=False)
        return intent

    monkeypatch.setattr(planning, "intent_of", read_just_before_some_became_inactive)
    evening.plan()

    told = asked_w()
    duties = Duty.objects.all()
    assert {one.asset_id for one in duties if one.next_asked_w != one.alone_w} == told.keys()
    parts_w = [one.next_usual_w - one.next_asked_w for one in duties if one.asset_id in told]
    ptu = ActivationPtu.objects.get(ptu_start=STARTS_AT)
    assert (ptu.planned_w, ptu.limited_w) == (sum(parts_w), 0)
    assert ptu.planned_w < 100_000


def test_assets_begin_and_return_at_moments_of_their_own_inside_the_ramp(evening):
    SteeringLimit.objects.create(ramp_seconds=RAMP_S, reason="the transformer")
    evening.plan()

    rows = Setpoint.objects.filter(starts_at=STARTS_AT).values_list("start_early_s", "end_late_s")
    for moments in zip(*rows, strict=True):
        assert all(0 <= moment <= RAMP_S for moment in moments)
        assert len(set(moments)) > len(moments) / 2


def test_who_is_asked_inside_a_quarter_hour_starts_at_once_so_a_minutes_ramp_is_all_there_is(evening):
    evening.plan().minute(2)
    SteeringLimit.objects.create(max_ramp_w_per_minute=22_000, ramp_seconds=RAMP_S, reason="the transformer")
    planned = SetpointBatch.objects.latest("pk").pk
    evening.disobey = set(evening.held())

    for number in range(3, 7):
        evening.minute(number)

    corrections = SetpointBatch.objects.filter(pk__gt=planned, setpoints__starts_at=STARTS_AT).distinct()
    steps_w = [sum(11_000 - one.power_w[0] for one in batch.setpoints.all()) for batch in corrections.order_by("pk")]
    assert steps_w == [22_000] * 3
    assert set(Setpoint.objects.filter(batch__in=corrections).values_list("start_early_s", flat=True)) == {0}


def test_when_everything_is_stopped_an_order_under_way_sends_nothing_and_says_what_is_missing(evening):
    evening.plan().minute(2)
    portfolio.stop_all_partners(reason="odd switching seen", now=STARTS_AT + 2 * MINUTE)
    batches = SetpointBatch.objects.count()
    evening.disobey = set(evening.held()[:6])  # others would take their place

    assert [evening.minute(number) for number in (3, 4, 5, 9)] == [0] * 4

    assert SetpointBatch.objects.count() == batches
    assert "below_order" in evening.alarms()
    portfolio.resume_partner(
        partner_id=evening.fleet[0].partner_id, reason="explained", now=STARTS_AT + timedelta(minutes=10)
    )
    assert evening.minute(20) > 0
    assert evening.held()


def test_after_the_kill_switch_the_next_plan_tells_everybody_anew(evening):
    evening.plan().minute(2)
    told = set(evening.held())
    partner = evening.fleet[0].partner_id
    portfolio.stop_partner(partner_id=partner, reason="odd switching seen", now=STARTS_AT + 2 * MINUTE)
    portfolio.resume_partner(partner_id=partner, reason="explained", now=STARTS_AT + 3 * MINUTE)
    before = SetpointBatch.objects.latest("pk")

    for number in range(4, 9):
        evening.minute(number)

    anew = Setpoint.objects.filter(batch__gt=before, power_w__0__lt=11_000).values_list("asset_id", flat=True)
    assert told <= set(anew)
