"""What a contract lets its operator see: D-Prognosis the day before, Metering of called days, once and corrected."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from aggregator.core.models import OutboxMessage
from aggregator.core.ptu import ptus_of_day
from assets import operations as portfolio
from assets.models import ChargingSession, MeterInterval
from bidding.markets.uftp import messages as m
from bidding.markets.uftp import settlement_messages as s
from bidding.markets.uftp.answers import respond
from bidding.markets.uftp.vocabulary import MeteringUnit, Profile
from bidding.models import Contract, ContractCall, UftpMessage
from bidding.uftp import reports
from bidding.uftp.reports import send_reports
from tests.conformance.uftp.samples import DAY, NOW, REQUEST
from tests.field_side import charger, make_assets, make_partner
from tests.integration.uftp.operator_side import limit_request, order_for

pytestmark = pytest.mark.django_db
THE_DAY_BEFORE = datetime.combine(DAY - timedelta(days=1), datetime.min.time(), UTC)
THE_DAY_AFTER = datetime.combine(DAY + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=6)


@pytest.fixture
def cars(group):
    """Two chargers, where a car came at 17:00 local time on every same day of the past weeks and took 11 kWh."""
    enrolled_at = THE_DAY_BEFORE - timedelta(days=60)
    assets = make_assets(make_partner("Stadsladen"), [charger("c1"), charger("c2")])
    portfolio.enrol_assets(
        aggregation_ean=group.ean, asset_ids=[asset.pk for asset in assets], starts_at=enrolled_at, now=enrolled_at
    )
    five = datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(hours=15)
    ChargingSession.objects.bulk_create(
        ChargingSession(
            asset=asset, external_id=f"{asset.pk}-{week}", plug_in_at=five - timedelta(weeks=week),
            plug_out_at=five - timedelta(weeks=week) + timedelta(hours=2), energy_wh=11_000, max_import_w=11_000,
            known_at=five - timedelta(weeks=week) + timedelta(hours=2),
        )
        for asset in assets for week in range(1, 5)
    )  # fmt: skip
    return assets


def test_the_prognosis_of_tomorrow_goes_out_once_before_calls_are_made(
    contract, cars, tick, say, other_side, set_clock
):
    contract.sends_prognosis = True
    contract.save()
    assert send_reports(now=THE_DAY_BEFORE + timedelta(hours=3, minutes=59)) == 0  # 05:59 in Amsterdam
    due = THE_DAY_BEFORE + timedelta(hours=4)
    assert [send_reports(now=due + timedelta(hours=hours)) for hours in range(3)] == [1, 0, 0]

    set_clock(due)
    tick()
    (prognosis,) = other_side.messages()
    assert isinstance(prognosis, m.DPrognosis)
    assert (prognosis.period, prognosis.revision, prognosis.congestion_point) == (
        DAY, 1, f"ean.{contract.congestion_point}",
    )  # fmt: skip
    assert prognosis.isps == (
        m.PrognosisIsp(power_w=0, start=1, duration=68),
        m.PrognosisIsp(power_w=22_000, start=69, duration=4),
        m.PrognosisIsp(power_w=0, start=73, duration=24),
    )
    say(respond(prognosis, message_id=str(uuid.uuid4()), now=due))
    tick()
    assert UftpMessage.objects.get(element="D-Prognosis").result == UftpMessage.Result.ACCEPTED

    set_clock(NOW)
    contract.power_meaning = Contract.Meaning.DELTA  # a deviation from that prognosis
    contract.save()
    say(REQUEST)
    tick()
    offer = other_side.messages()[-1]
    assert offer.d_prognosis_message_id == prognosis.message_id
    say(order_for(offer, d_prognosis_message_id=prognosis.message_id))
    tick()
    assert ContractCall.objects.get().day == DAY


def test_a_prognosis_is_not_sent_on_its_own_day(contract, cars, tick, set_clock, other_side):
    contract.sends_prognosis = True
    contract.save()
    send_reports(now=THE_DAY_BEFORE + timedelta(hours=4))
    set_clock(THE_DAY_BEFORE + timedelta(hours=22))  # midnight in Amsterdam
    tick()
    assert other_side.messages() == []
    assert OutboxMessage.objects.get().dead_at is not None


def test_an_order_may_only_rest_on_a_prognosis_that_was_sent(contract, say, tick, other_side):
    say(limit_request())
    tick()
    offer = other_side.messages()[-1]
    say(order_for(offer, d_prognosis_message_id=str(uuid.uuid4())))
    tick()
    assert "D-PrognosisMessageID" in other_side.messages()[-1].rejection_reason
    assert not ContractCall.objects.exists()


def meter(assets, import_wh, *, revision=0):
    for instant in (THE_DAY_BEFORE, THE_DAY_AFTER):
        portfolio.maintain_partitions(now=instant)
    MeterInterval.objects.bulk_create(
        MeterInterval(
            asset=asset, starts_at=ptu, revision=revision, import_wh=import_wh, export_wh=0, known_at=THE_DAY_AFTER
        )
        for asset in assets for ptu in ptus_of_day(DAY)
    )  # fmt: skip


def test_a_called_day_is_metered_when_its_values_are_in_and_again_when_they_change(
    contract, cars, say, tick, other_side, set_clock
):
    contract.sends_metering = True
    contract.save()
    say(limit_request())
    tick()
    say(order_for(other_side.messages()[-1]))
    tick()
    assert ContractCall.objects.get().day == DAY

    set_clock(THE_DAY_AFTER)
    meter(cars[:1], 250)
    assert send_reports(now=THE_DAY_AFTER) == 0, "one of two chargers is missing"
    meter(cars[1:], 500)
    assert [send_reports(now=THE_DAY_AFTER) for _ in range(2)] == [1, 0]
    meter(cars[1:], 600, revision=1)
    assert [send_reports(now=THE_DAY_AFTER + timedelta(minutes=15)) for _ in range(2)] == [1, 0]
    set_clock(THE_DAY_AFTER + timedelta(minutes=15))
    tick()

    first, second = [message for message in other_side.messages() if isinstance(message, s.Metering)]
    assert (first.ean, first.period, first.revision, second.revision) == (f"E{contract.congestion_point}", DAY, 1, 2)
    imported, exported = first.profiles
    assert (imported.profile_type, imported.unit) == (Profile.IMPORT_ENERGY, MeteringUnit.KWH)
    assert [isp.start for isp in imported.isps] == list(range(1, 97))
    assert {isp.value for isp in imported.isps} == {Decimal("0.750")}
    assert {isp.value for isp in exported.isps} == {Decimal(0)}
    assert {isp.value for isp in second.profiles[0].isps} == {Decimal("0.850")}
    assert send_reports(now=THE_DAY_AFTER + timedelta(days=11)) == 0


def test_nothing_is_reported_that_was_not_agreed(contract, cars):
    assert send_reports(now=THE_DAY_BEFORE + timedelta(hours=12)) == 0
    assert not OutboxMessage.objects.exists()


def test_a_round_of_reports_that_is_out_of_time_ends(contract, monkeypatch):
    def run_out_of_time(*_):
        raise SoftTimeLimitExceeded

    contract.sends_metering = True
    contract.save()
    monkeypatch.setattr(reports, "_send_metering", run_out_of_time)
    with pytest.raises(SoftTimeLimitExceeded):
        send_reports(now=NOW)
