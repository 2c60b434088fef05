"""The running quarter hour: measured against asked, replaced, made good, alarmed, explained."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.contrib.auth.models import User

from aggregator.core.models import AuditEvent
from assets.control.operations import PlannedSetpoint, send_setpoints
from assets.models import Asset, AssetState, ChargingSession, Setpoint, SetpointBatch, SteeringLimit
from bidding.dispatch import acts
from bidding.dispatch.operations import run_activation
from bidding.dispatch.report import shortfalls
from bidding.models import ActivationPtu, ActivationSample, Cause, DispatchAlarm, Duty
from tests.field_side import battery, enrol, make_assets, make_partner
from tests.integration.bidding.evening import BEFORE, MINUTE, PTU, STARTS_AT, asked_w

CONNECTION = "871685900012636543"


@pytest.fixture
def operator(db):
    return User.objects.create_user("night-shift")


def test_a_fleet_that_follows_is_left_in_peace(evening):
    evening.plan()
    assert [evening.minute(number) for number in range(2, 5)] == [0, 0, 0]
    samples = list(ActivationSample.objects.order_by("at"))
    assert len(samples) == 3
    assert all(sample.delivered_w >= sample.ordered_w == 100_000 for sample in samples)
    assert all(sample.seen == sample.members == 21 for sample in samples)
    assert evening.alarms() == set()


def test_the_same_states_are_looked_at_once(evening):
    evening.plan().minute(3)
    run_activation(activation_id=evening.activation.pk, now=STARTS_AT + 4 * MINUTE)
    assert ActivationSample.objects.count() == 1


def test_two_samples_find_who_ignores_and_others_take_their_place(evening):
    evening.plan()
    evening.disobey = set(evening.held()[:6])
    assert evening.minute(2) == 0
    assert evening.minute(3) > 0
    duties = Duty.objects.filter(asset__in=evening.disobey)
    assert {(duty.cause, duty.failures, duty.failed_at) for duty in duties} == {
        (Cause.IGNORED, 1, STARTS_AT + 3 * MINUTE)
    }
    newest = SetpointBatch.objects.order_by("-revision").first()
    assert not set(newest.setpoints.values_list("asset_id", flat=True)) & evening.disobey
    assert "not_following" in evening.alarms()
    evening.minute(4)
    assert ActivationSample.objects.order_by("-at")[0].delivered_w >= 100_000


def test_a_correction_gets_time_before_the_next(evening):
    evening.plan()
    evening.disobey = set(evening.held())
    evening.minute(2)
    assert evening.minute(3) > 0
    batches = SetpointBatch.objects.count()
    evening.minute(4)
    assert SetpointBatch.objects.count() == batches


def test_who_follows_late_counts_again(evening):
    evening.plan()
    late = evening.held()[0]
    evening.disobey = {late}
    evening.minute(2)
    evening.minute(3)
    evening.disobey = set()
    evening.minute(4)
    duty = Duty.objects.get(asset=late)
    assert (duty.cause, duty.failed_at, duty.failures) == ("", None, 1)


def test_who_drops_offline_is_found_and_not_counted(evening):
    evening.plan()
    evening.minute(2)
    evening.silent = set(evening.held()[:2])
    for number in range(3, 7):
        evening.minute(number)
    assert set(Duty.objects.filter(cause=Cause.SILENT).values_list("asset_id", flat=True)) == evening.silent
    newest = ActivationSample.objects.order_by("-at")[0]
    assert newest.seen == newest.members - 2
    assert newest.lost_by_cause["silent"] > 0


def test_a_refusal_is_known_at_once(evening):
    evening.plan()
    refused = evening.held()[0]
    Setpoint.objects.filter(asset=refused).update(status=Setpoint.Status.REJECTED)
    evening.disobey = {refused}
    evening.minute(2)
    assert Duty.objects.get(asset=refused).cause == Cause.REJECTED


def test_a_session_that_ends_is_replaced_and_the_next_car_starts_afresh(evening):
    evening.plan()
    evening.minute(2)
    left = evening.held()[0]
    ChargingSession.objects.filter(asset=left, plug_out_at=None).update(plug_out_at=STARTS_AT + 2 * MINUTE)
    evening.minute(3)
    assert Duty.objects.get(asset=left).cause == Cause.LEFT
    ChargingSession.objects.create(
        asset_id=left, external_id="next", plug_in_at=STARTS_AT + 4 * MINUTE, max_import_w=11_000, known_at=STARTS_AT
    )
    evening.minute(8)
    assert left in Duty.objects.filter(cause="").values_list("asset_id", flat=True)


def test_below_the_order_raises_one_alarm_that_clears_itself(evening):
    evening.plan()
    evening.disobey = {asset.pk for asset in evening.fleet}
    for number in (2, 3, 4):
        evening.minute(number)
    [alarm] = DispatchAlarm.objects.filter(kind="below_order")
    assert (alarm.raised_at, alarm.cleared_at) == (STARTS_AT + 3 * MINUTE + timedelta(seconds=5), None)
    evening.disobey = set()
    evening.minute(5)
    alarm.refresh_from_db()
    assert alarm.cleared_at is not None


def test_what_was_missed_is_made_good_within_the_quarter_hour(evening):
    evening.plan()
    before = len(evening.held())
    evening.disobey = set(evening.held()[:4])
    for number in (2, 3, 5):
        evening.minute(number)
    stepped_in = set(evening.held()) - evening.disobey
    assert len(stepped_in) > before - 4  # more than those who failed: the first minutes are owed


def test_a_partner_that_falls_silent_is_reported(evening):
    evening.plan().minute(2)
    evening.silent = {asset.pk for asset in evening.fleet}
    AssetState.objects.filter(asset=evening.fleet[0]).update(at=STARTS_AT + 2 * MINUTE + timedelta(seconds=30))
    run_activation(activation_id=evening.activation.pk, now=STARTS_AT + 19 * MINUTE)
    assert "partner_silent" in evening.alarms()


def test_a_limit_holds_the_plan_back_and_says_so(evening):
    SteeringLimit.objects.create(max_moved_w=60_000, reason="the transformer")
    evening.plan()
    moved = sum(11_000 - max(power, 0) for pk, power in asked_w().items() if pk != evening.fleet[-1].pk)
    assert moved + abs(asked_w().get(evening.fleet[-1].pk, 0)) <= 60_000
    ptu = ActivationPtu.objects.get(ptu_start=STARTS_AT)
    assert ptu.limited_w > 0
    assert "limited" in evening.alarms()
    evening.minute(3)
    assert ActivationSample.objects.get().lost_by_cause["limited"] > 0


def test_others_bring_what_a_connection_does_not_carry(evening):
    store = evening.fleet[-1].pk
    Asset.objects.filter(pk=store).update(connection_ean=CONNECTION)
    SteeringLimit.objects.create(connection_ean=CONNECTION, max_export_w=10_000, reason="the contract")
    evening.plan()
    assert asked_w()[store] == -10_000
    assert ActivationPtu.objects.get(ptu_start=STARTS_AT).planned_w >= 100_000
    assert evening.alarms() == set()


def test_cars_that_came_first_feed_in_as_far_as_a_connection_carries_and_the_others_are_held(evening):
    Asset.objects.filter(kind="charger").update(kind="v2g_charger", max_export_w=11_000, connection_ean=CONNECTION)
    ActivationPtu.objects.update(ordered_w=220_000)
    limit = SteeringLimit.objects.create(connection_ean=CONNECTION, max_export_w=25_000, reason="the contract")
    first = {asset.pk for asset in evening.fleet[17:19]}
    came_at = STARTS_AT - timedelta(minutes=40)
    ChargingSession.objects.filter(asset__in=first, plug_out_at=None).update(plug_in_at=came_at)
    evening.plan()
    assert {pk for pk, power_w in asked_w().items() if power_w < 0} == {*first, evening.fleet[-1].pk}
    limit.max_export_w = 0
    limit.save()
    run_activation(activation_id=evening.activation.pk, now=BEFORE + PTU)
    assert min(power_w for pk, power_w in asked_w(STARTS_AT + PTU).items() if pk != evening.fleet[-1].pk) == 0
    assert len(evening.held()) > 15


def test_what_another_order_feeds_in_through_a_connection_is_left_to_it(evening, group):
    [other] = make_assets(make_partner("Depot"), [battery("other", connection_ean=CONNECTION)])
    enrol(group, [other])
    Asset.objects.filter(pk=evening.fleet[-1].pk).update(connection_ean=CONNECTION)
    SteeringLimit.objects.create(connection_ean=CONNECTION, max_export_w=50_000, reason="the contract")
    send_setpoints(
        now=BEFORE,
        aggregation_ean=group.ean,
        order_reference="another",
        reason="",
        revision=1,
        plan=[PlannedSetpoint(other.pk, STARTS_AT, STARTS_AT + PTU, [-40_000])],
        deadline_at=STARTS_AT + PTU,
    )
    evening.plan()
    assert asked_w()[evening.fleet[-1].pk] == -10_000
    assert ActivationPtu.objects.get(ptu_start=STARTS_AT).planned_w >= 100_000


def test_a_step_goes_out_in_parts_minute_by_minute(evening):
    SteeringLimit.objects.create(max_step_w=50_000, reason="the transformer")
    evening.plan()
    first_w = ActivationPtu.objects.get(ptu_start=STARTS_AT).planned_w
    assert 0 < first_w <= 50_000
    run_activation(activation_id=evening.activation.pk, now=BEFORE + MINUTE)  # the step at the start is used up
    assert ActivationPtu.objects.get(ptu_start=STARTS_AT).planned_w == first_w
    first = set(evening.held())
    assert evening.minute(1) > 0
    assert evening.minute(2) > 0
    assert first <= set(evening.held())
    assert ActivationPtu.objects.get(ptu_start=STARTS_AT).planned_w >= 100_000
    assert "limited" not in evening.alarms()


def test_a_late_order_is_planned_at_once(evening):
    assert run_activation(activation_id=evening.activation.pk, now=STARTS_AT + 2 * MINUTE) > 0
    assert asked_w(STARTS_AT)


def test_after_a_dead_worker_the_running_quarter_hour_is_planned_again(evening):
    evening.plan()
    later = STARTS_AT + 2 * PTU + 3 * MINUTE
    run_activation(activation_id=evening.activation.pk, now=later)
    evening.activation.refresh_from_db()
    assert evening.activation.planned_until == STARTS_AT + 2 * PTU


def test_the_shortfall_is_explained_to_the_watt(evening):
    evening.plan()
    evening.disobey = {asset.pk for asset in evening.fleet[:10]}
    for number in (2, 3):
        evening.minute(number)
    metered = {STARTS_AT: 70_001}
    row = shortfalls(evening.activation, delivered_w=metered)[0]
    assert (row.ordered_w, row.delivered_w, row.missing_w) == (100_000, 70_001, 29_999)
    assert sum(row.causes_w.values()) == 29_999
    assert "ignored" in row.causes_w


def test_the_note_says_how_much_was_missed_and_why(evening):
    evening.plan()
    evening.disobey = {asset.pk for asset in evening.fleet}
    for number in range(2, 15):
        evening.minute(number)
    run_activation(activation_id=evening.activation.pk, now=evening.activation.ends_at)
    evening.activation.refresh_from_db()
    assert evening.activation.shortfall_note.startswith("100.0 % of the ordered energy was missed in 12 of 12")
    assert "accepted and not followed" in evening.activation.shortfall_note
    assert evening.alarms() == set()


def test_on_hold_nothing_new_is_sent(evening, operator):
    evening.plan()
    acts.hold_activation(
        activation_id=evening.activation.pk, now=STARTS_AT, actor=operator, reason="the grid operator rang"
    )
    evening.disobey = set(evening.held())
    assert [evening.minute(number) for number in (2, 3, 7, 20)] == [0, 0, 0, 0]
    assert "below_order" in evening.alarms()
    acts.resume_activation(
        activation_id=evening.activation.pk, now=STARTS_AT + 21 * MINUTE, actor=operator, reason="ok"
    )
    assert evening.minute(22) > 0
    events = AuditEvent.objects.order_by("pk").values_list("action", "reason")
    assert list(events)[-2:] == [
        ("bidding.activation.held", "the grid operator rang"),
        ("bidding.activation.resumed", "ok"),
    ]


@pytest.mark.parametrize(("ordered_w", "is_short"), [(100_000, False), (200_000, True)])
def test_on_hold_only_what_is_not_asked_any_more_is_laid_to_the_hold(evening, operator, ordered_w, is_short):
    evening.plan()
    acts.hold_activation(activation_id=evening.activation.pk, now=STARTS_AT, actor=operator, reason="a question")
    ActivationPtu.objects.filter(ptu_start=STARTS_AT + PTU).update(ordered_w=ordered_w)

    evening.minute(20)

    sample = ActivationSample.objects.get()
    assert ActivationPtu.objects.get(ptu_start=STARTS_AT + PTU).planned_w is None
    assert sample.lost_by_cause == ({Cause.HELD: 200_000 - sample.asked_w} if is_short else {})


def test_a_quarter_hour_that_nobody_planned_does_not_look_like_a_lack_of_assets(evening):
    evening.plan()
    evening.activation.ptus.filter(ptu_start=STARTS_AT).update(planned_w=None)
    evening.minute(3)
    assert ActivationSample.objects.get().lost_by_cause == {}


def test_under_a_cap_less_is_delivered_and_the_rest_is_the_operators(evening, operator):
    evening.plan()
    held = len(evening.held())
    acts.cap_activation(
        activation_id=evening.activation.pk, cap_w=60_000, now=STARTS_AT + MINUTE, actor=operator, reason="a fault"
    )
    evening.minute(2)
    assert len(evening.held()) < held
    evening.minute(5)
    assert ActivationSample.objects.order_by("-at")[0].lost_by_cause["capped"] == 40_000
    assert "below_order" not in evening.alarms()


def test_what_was_missed_is_not_made_good_beyond_a_cap(evening, operator):
    evening.plan()
    acts.cap_activation(
        activation_id=evening.activation.pk, cap_w=60_000, now=BEFORE + MINUTE, actor=operator, reason="a fault"
    )
    run_activation(activation_id=evening.activation.pk, now=BEFORE + 2 * MINUTE)
    first_w = ActivationPtu.objects.get(ptu_start=STARTS_AT).planned_w
    evening.disobey = {evening.fleet[-1].pk}

    for number in (2, 3):
        evening.minute(number)

    assert evening.alarms() == {"below_order", "not_following"}
    assert (first_w, ActivationPtu.objects.get(ptu_start=STARTS_AT).planned_w) == (60_000, 60_000)


@pytest.mark.parametrize("act", [acts.hold_activation, acts.stop_activation])
def test_an_act_needs_a_reason_and_something_to_act_on(evening, operator, act):
    fields = {"activation_id": evening.activation.pk, "actor": operator}
    with pytest.raises(acts.ReasonMissing):
        act(**fields, now=STARTS_AT, reason=" ")
    act(**fields, now=STARTS_AT, reason="test")
    with pytest.raises(acts.NotPossible):
        act(**fields, now=STARTS_AT, reason="again")
    with pytest.raises(acts.NotPossible, match="over"):
        act(**fields, now=evening.activation.ends_at, reason="too late")


def test_a_cap_below_zero_and_a_resume_of_nothing_are_refused(evening, operator):
    fields = {"activation_id": evening.activation.pk, "actor": operator, "now": STARTS_AT, "reason": "test"}
    with pytest.raises(acts.NotPossible, match="below zero"):
        acts.cap_activation(**fields, cap_w=-1)
    with pytest.raises(acts.NotPossible, match="not on hold"):
        acts.resume_activation(**fields)


def test_who_tells_only_now_and_then_is_taken_to_do_its_part(evening):
    evening.plan()
    quiet = evening.fleet[:-1]
    evening.silent = {asset.pk for asset in quiet}  # over OCPI some tell each quarter hour
    assert [evening.minute(number) for number in range(2, 5)] == [0, 0, 0]
    assert not Duty.objects.exclude(cause="")
    newest = ActivationSample.objects.order_by("-at")[0]
    assert newest.delivered_w >= newest.ordered_w
    assert newest.seen == 1


def test_without_any_state_the_loop_goes_on_at_what_it_assumes(evening):
    evening.plan()
    AssetState.objects.exclude(asset=evening.fleet[-1]).delete()
    AssetState.objects.update(at=BEFORE)
    for number in range(1, 12):
        run_activation(activation_id=evening.activation.pk, now=STARTS_AT + number * MINUTE)
    samples = list(ActivationSample.objects.order_by("at"))
    assert [sample.seen for sample in samples] == [0, 0]
    assert all(sample.delivered_w >= sample.ordered_w for sample in samples)
    assert "partner_silent" in evening.alarms()


def test_a_running_order_turns_nobody_round_more_often_than_allowed_and_keeps_who_is_barred(evening):
    SteeringLimit.objects.create(max_reversals_per_hour=1, reason="wear")
    store = evening.fleet[-1]
    evening.plan()
    for level_wh, now in ((150_000, BEFORE + PTU), (190_000, STARTS_AT + 9 * MINUTE)):
        AssetState.objects.filter(asset=store).update(level_wh=level_wh)
        run_activation(activation_id=evening.activation.pk, now=now)
    assert (asked_w()[store.pk], asked_w(STARTS_AT + PTU)[store.pk]) == (-48_000, pytest.approx(-42_545, abs=1))

    evening.disobey = set(evening.held()[:6])
    evening.minute(10)
    assert evening.minute(11) > 0  # others take their place; the battery could give more, and would turn again

    assert (asked_w()[store.pk], asked_w(STARTS_AT + PTU)[store.pk]) == (-48_000, pytest.approx(-42_545, abs=1))
    for ptu in range(2, 5):
        run_activation(activation_id=evening.activation.pk, now=BEFORE + ptu * PTU)
    told_w = [one.power_w[0] for one in Setpoint.objects.filter(asset=store).order_by("batch_id")]
    changes = [after - before for before, after in zip([0, *told_w], told_w, strict=False) if after != before]
    turns = sum(one * other < 0 for one, other in pairwise(changes))
    assert turns == 1
    assert asked_w(STARTS_AT + 4 * PTU)[store.pk] == told_w[1]  # still told anew, as it stood
