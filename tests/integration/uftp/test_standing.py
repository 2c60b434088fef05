from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import IntegrityError, transaction

from aggregator.core.ptu import PTU
from bidding.models import (
    Activation,
    Commitment,
    Contract,
    ContractCall,
    ContractReservation,
    LedgerEntry,
    UftpMessage,
)
from bidding.uftp import standing
from bidding.uftp.demands import is_active, standing_demands
from bidding.uftp.standing import open_days
from tests.conformance.uftp.samples import DAY, NOW
from tests.integration.uftp.operator_side import limit_request, post, sealed

pytestmark = pytest.mark.django_db


@pytest.fixture
def fixed(contract):
    """At most 120 kW from 22:00 to 06:00, every day, under a contract over 500 kW."""
    contract.kind, contract.limit_w = Contract.Kind.CLC_T, 120_000
    contract.window_starts, contract.window_ends = time(22), time(6)
    contract.save()
    return contract


def test_today_and_tomorrow_are_taken_on_once(fixed):
    assert open_days(now=NOW) == 2
    assert open_days(now=NOW + timedelta(hours=1)) == 0

    today, tomorrow = ContractCall.objects.order_by("day")
    assert (today.day, tomorrow.day) == (DAY - timedelta(days=1), DAY)
    # NOW is 08:00: of today the hours from 22:00 lie ahead, of tomorrow those to 06:00 too
    assert (today.starts_at, today.ends_at) == (
        datetime(2026, 6, 30, 20, tzinfo=UTC),
        datetime(2026, 6, 30, 22, tzinfo=UTC),
    )
    assert (today.ptus.count(), tomorrow.ptus.count()) == (8, 32)
    assert set(Commitment.objects.values_list("power_w", flat=True)) == {500_000}
    activation = Activation.objects.get(contract_call=tomorrow)
    assert activation.ptus.filter(max_import_w=120_000).count() == 32
    assert activation.ptus.filter(max_import_w=None, ordered_w=0).count() == 64


def test_a_day_whose_power_is_sold_is_taken_on_when_it_lapses(fixed, group, caplog):
    entry = LedgerEntry.objects.create(
        aggregation_ean=group, ptu_start=datetime(2026, 6, 30, 20, tzinfo=UTC), direction="reduce", sellable_w=500_000,
        committed_w=1,
    )  # fmt: skip
    assert open_days(now=NOW) == 1
    assert "cannot be kept on 2026-06-30" in caplog.text

    LedgerEntry.objects.filter(pk=entry.pk).update(committed_w=0)
    assert open_days(now=NOW) == 1


def test_a_contract_that_fails_keeps_no_other_from_being_taken_on(fixed, caplog, monkeypatch):
    other = Contract.objects.get(pk=fixed.pk)
    other.pk, other.contract_id, other.volume_w = None, "CLC-2", 1_000
    other.save()

    def fail_for_the_first(*, contract, **more):
        if contract.pk == fixed.pk:
            raise ArithmeticError("no such thing")
        return standing_demands(contract=contract, **more)

    monkeypatch.setattr(standing, "standing_demands", fail_for_the_first)
    assert open_days(now=NOW) == 2
    assert set(ContractCall.objects.values_list("contract", flat=True)) == {other.pk}
    assert f"{fixed} was not taken on for 2026-06-30; it is tried again" in caplog.text
    assert "ArithmeticError: no such thing" in caplog.text


def test_a_contract_that_ends_while_others_are_opened_is_not_taken_on(fixed, monkeypatch):
    def ended_meanwhile(contract, day):
        Contract.objects.filter(pk=contract.pk).update(active_until=DAY - timedelta(days=1))
        return is_active(contract, day)

    monkeypatch.setattr(standing, "is_active", ended_meanwhile)
    assert open_days(now=NOW) == 1
    assert ContractCall.objects.get().day == DAY - timedelta(days=1)


def test_what_the_operator_released_of_a_day_is_no_duty(fixed, operator):
    message = UftpMessage.objects.create(
        participant=operator, way="received", element="FlexReservationUpdate", message_id="1", conversation_id="1",
        document=b"", at=NOW,
    )  # fmt: skip
    evening = datetime(2026, 6, 30, 20, tzinfo=UTC)
    for quarter in range(8):
        ContractReservation.objects.create(
            contract=fixed, ptu_start=evening + quarter * PTU, power_w=0 if quarter < 7 else 50_000, message=message
        )
    assert open_days(now=NOW) == 2
    today = ContractCall.objects.get(day=DAY - timedelta(days=1))
    assert (today.starts_at, today.ends_at) == (evening + 7 * PTU, evening + 8 * PTU)
    assert [commitment.power_w for commitment in today.commitments.all()] == [50_000]


def test_a_contract_that_holds_without_calls_is_not_called(client, fixed, tick, other_side):
    post(client, sealed(limit_request()))
    tick()
    assert other_side.messages()[0].rejection_reason.startswith("The contract holds without calls")


def test_only_fixed_times_have_a_limit(fixed):
    with pytest.raises(IntegrityError, match="contract_has_a_limit_or_is_called"), transaction.atomic():
        Contract.objects.update(kind=Contract.Kind.CSC_A)
