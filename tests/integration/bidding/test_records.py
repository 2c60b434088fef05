"""What the plan knows of assets from before: who follows, who was called, what a kWh of each costs."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from aggregator.core.models import OutboxMessage
from assets.models import AggregationEan, ChargingSession, Setpoint, SetpointBatch
from bidding.dispatch.records import REACH, records_of
from bidding.models import Cause, Duty, UseCost
from tests.integration.bidding.evening import BEFORE, MINUTE, PTU, STARTS_AT, asked_w

EARLIER = STARTS_AT - timedelta(days=3)


def judged(asset, status, times, *, first_at=EARLIER):
    """Let an asset be told `times` times, a quarter hour each, with the same verdict."""
    revision = SetpointBatch.objects.count()
    for number in range(times):
        starts_at = first_at + number * PTU
        batch = SetpointBatch.objects.create(
            partner_id=asset.partner_id,
            aggregation_ean=AggregationEan.objects.get(),
            reason="test",
            revision=revision + number + 1,
            created_at=starts_at - PTU,
        )
        Setpoint.objects.create(
            batch=batch,
            asset=asset,
            starts_at=starts_at,
            ends_at=starts_at + PTU,
            power_w=[0],
            status=status,
            result_at=starts_at,
        )


def records(assets, activation):
    return records_of(assets=assets, activation=activation, now=BEFORE)


def test_verdicts_of_the_last_weeks_say_who_follows(activation, fleet):
    steady, failing, long_ago, unknown = fleet[:4]
    judged(steady, Setpoint.Status.FOLLOWED, 10)
    judged(failing, Setpoint.Status.NOT_FOLLOWED, 5)
    judged(failing, Setpoint.Status.REJECTED, 5, first_at=EARLIER + timedelta(days=1))
    judged(long_ago, Setpoint.Status.NOT_FOLLOWED, 10, first_at=BEFORE - REACH - timedelta(days=1))

    follows = records([steady, failing, long_ago, unknown], activation).follows.tolist()

    assert follows == pytest.approx([19 / 20, 9 / 20, 9 / 10, 9 / 10])


def test_who_fails_more_than_it_follows_is_not_asked(activation, fleet, evening):
    failing = fleet[:3]
    for car in failing:
        judged(car, Setpoint.Status.NOT_FOLLOWED, 20)

    evening.plan()

    assert not asked_w().keys() & {car.pk for car in failing}
    assert evening.held()


def test_only_who_refuses_or_ignores_what_it_is_asked_is_trusted_less(activation, fleet, evening):
    evening.plan().minute(2)
    held = [car for car in fleet if car.pk in evening.held()]
    left, silent, undelivered, ignoring, refusing = held[:5]
    ChargingSession.objects.filter(asset=left, plug_out_at=None).update(plug_out_at=STARTS_AT + 2 * MINUTE)
    evening.silent = {silent.pk}
    evening.disobey = {ignoring.pk}
    told = Setpoint.objects.get(asset=undelivered)
    lost = SetpointBatch.objects.create(
        partner_id=undelivered.partner_id,
        aggregation_ean=activation.aggregation_ean,
        order_reference=activation.reference,
        revision=told.batch.revision + 1,
        created_at=BEFORE,
        message=OutboxMessage.objects.create(
            channel="setpoints",
            body=b"",
            created_at=BEFORE,
            next_attempt_at=BEFORE,
            deadline_at=STARTS_AT,
            dead_at=STARTS_AT,
        ),
    )
    Setpoint.objects.filter(pk=told.pk).update(batch=lost)
    Setpoint.objects.filter(asset=refusing).update(status=Setpoint.Status.REJECTED)
    for number in range(3, 7):
        evening.minute(number)

    causes = dict(Duty.objects.exclude(cause="").values_list("asset_id", "cause"))
    assert causes == {
        left.pk: Cause.LEFT,
        silent.pk: Cause.SILENT,
        undelivered.pk: Cause.UNDELIVERED,
        ignoring.pk: Cause.IGNORED,
        refusing.pk: Cause.REJECTED,
    }
    Setpoint.objects.all().update(status=Setpoint.Status.PENDING)  # what the partner says counts beside it
    follows = records(held[:5], activation).follows.tolist()
    assert follows == pytest.approx([9 / 10, 9 / 10, 9 / 10, 9 / 11, 9 / 11])


def test_a_partners_own_cost_comes_before_the_one_for_any_and_both_before_the_assumed(activation, fleet):
    car, store = fleet[0], fleet[-1]
    assert records([car, store], activation).burden.tolist() == pytest.approx([0.0, 0.03])

    UseCost.objects.create(asset_kind="battery", wear_eur_per_mwh=10, compensation_eur_per_mwh=5)
    UseCost.objects.create(asset_kind="charger", compensation_eur_per_mwh=40)
    assert records([car, store], activation).burden.tolist() == pytest.approx([0.04, 0.015])

    UseCost.objects.create(partner_id=store.partner_id, asset_kind="battery", wear_eur_per_mwh=20)
    assert records([car, store], activation).burden.tolist() == pytest.approx([0.04, 0.02])


def test_calls_are_counted_by_driver_wherever_it_charged_and_an_order_is_none_of_its_own(activation, fleet):
    here, before, other = fleet[:3]
    past = ChargingSession.objects.filter(asset=before, plug_out_at__isnull=False).order_by("-plug_in_at").first()
    ChargingSession.objects.filter(asset=here, plug_out_at=None).update(driver_token="regular")
    ChargingSession.objects.filter(pk=past.pk).update(driver_token="regular")
    Duty.objects.create(
        activation=activation,
        asset=before,
        asked_w=0,
        alone_w=11_000,
        usual_w=11_000,
        judged_from=past.plug_in_at + PTU,
    )
    another = SimpleNamespace(pk=0, duties=Duty.objects.none())

    regular, stranger = records([here, other], another).burden.tolist()

    assert regular > stranger == 0
    assert records([here], activation).burden.tolist() == [0]
