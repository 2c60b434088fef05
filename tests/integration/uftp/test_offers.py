"""Offers with several options, ordered in part, and of our own accord."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from aggregator.core.models import OutboxMessage
from bidding.markets.uftp import messages as m
from bidding.markets.uftp.answers import respond
from bidding.markets.uftp.vocabulary import Result
from bidding.models import Activation, Commitment, Contract, ContractCall, UftpMessage
from bidding.uftp.demands import Demand
from tests import called_contracts
from tests.conformance.uftp.samples import CONTRACT, DAY, DSO, NOW, ORDER, REQUEST
from tests.integration.uftp.operator_side import order_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def deviations(contract):
    """The contract is about deviations, in full or by half, of which at least half must be ordered."""
    contract.power_meaning = Contract.Meaning.DELTA
    contract.offered_shares = [Decimal("0.50"), Decimal("1.00")]
    contract.min_activation_factor = Decimal("0.50")
    contract.full_clean()
    contract.save()
    return contract


@pytest.fixture
def offer(say, tick, deviations, other_side):
    say(REQUEST)
    tick()
    return other_side.messages()[-1]


def powers(option):
    return {isp.power_w for isp in option.isps}


def test_a_request_is_offered_in_full_and_by_half(offer):
    full, half = offer.options
    assert (powers(full), powers(half)) == ({-100_000}, {-50_000})
    assert {option.min_activation_factor for option in offer.options} == {Decimal("0.50")}


def test_the_smaller_option_can_be_ordered(say, tick, offer):
    half = offer.options[1]
    say(order_for(offer, option_reference=half.option_reference, isps=half.isps))
    tick()
    assert set(Activation.objects.get().ptus.values_list("ordered_w", flat=True)) == {50_000}
    assert set(Commitment.objects.values_list("power_w", flat=True)) == {50_000}


def test_an_order_for_a_part_activates_that_part(say, tick, offer):
    say(order_for(offer, activation_factor=Decimal("0.75")))
    tick()
    assert set(Activation.objects.get().ptus.values_list("ordered_w", flat=True)) == {75_000}
    assert set(Commitment.objects.values_list("power_w", flat=True)) == {75_000}


def test_an_order_for_too_small_a_part_is_rejected(say, tick, offer, other_side):
    say(order_for(offer, activation_factor=Decimal("0.49")))
    tick()
    answer = other_side.messages()[-1]
    assert (answer.result, answer.rejection_reason) == (
        Result.REJECTED,
        "ActivationFactor is below the MinActivationFactor of the FlexOffer option",
    )
    assert not ContractCall.objects.exists()


def test_what_is_sold_elsewhere_leaves_the_options_that_fit(say, tick, deviations, other_side):
    deviations.volume_w = 100_000
    deviations.save()
    say(REQUEST)
    tick()
    first = other_side.messages()[-1]
    say(order_for(first, option_reference=first.options[1].option_reference, isps=first.options[1].isps))
    tick()
    say(replace(REQUEST, message_id=str(uuid.uuid4()), revision=2))
    tick()
    second = other_side.messages()[-1]
    assert isinstance(second, m.FlexOffer)
    assert [powers(option) for option in second.options] == [{-50_000}]


@pytest.mark.parametrize(
    ("field", "value"),
    [("offered_shares", [Decimal("0.50")]), ("min_activation_factor", Decimal("0.50")), ("offered_shares", [])],
)
def test_a_limit_is_whole(contract, field, value):
    setattr(contract, field, value)
    with pytest.raises(ValidationError):
        contract.full_clean()


@pytest.mark.parametrize("version", ["3.0.0", "3.1.0"])
def test_an_offer_nobody_asked_for_is_made_accepted_and_ordered(say, tick, deviations, operator, other_side, version):
    operator.version = version
    operator.save()
    deviations.call_until, deviations.call_days_before = time(0), 300  # a deadline that passed: it is for requests
    deviations.save()
    out = StringIO()
    call_command(
        "uftp_offer", "--contract", CONTRACT, "--dso", DSO, "--day", str(DAY), "--from", "17:00", "--until", "19:00",
        "--power-w", "-200000", "--reason", "The depot is empty.", stdout=out,
    )  # fmt: skip
    assert out.getvalue().startswith("FlexOffer ")
    tick()
    offer = other_side.messages()[-1]
    assert (offer.unsolicited, offer.flex_request_message_id) == (None if version == "3.0.0" else True, None)
    assert (offer.options[0].isps[0].start, offer.options[0].isps[0].duration) == (69, 8)

    say(respond(offer, message_id=str(uuid.uuid4()), now=NOW))
    unsolicited = None if version == "3.0.0" else False
    say(order_for(offer, version=version, unsolicited=unsolicited))
    tick()
    assert UftpMessage.objects.get(message_id=offer.message_id).result == UftpMessage.Result.ACCEPTED
    assert ContractCall.objects.get().contract == deviations
    assert set(Activation.objects.get().ptus.values_list("ordered_w", flat=True)) == {200_000}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"--power-w": "-500001"}, "Power above the volume of the contract"),
        ({"--power-w": "0"}, "No power is asked"),
        ({"--day": str(DAY - timedelta(days=200))}, "Period out of bounds"),
        ({"--until": "16:00"}, "which is not after its start"),
        ({"--expires": "23:59"}, "ExpirationDateTime out of bounds"),
        ({"--contract": "nothing"}, "There is no contract nothing"),
    ],
)
def test_what_cannot_be_offered_is_told_and_not_sent(deviations, changes, reason):
    asked = {
        "--contract": CONTRACT, "--dso": DSO, "--day": str(DAY), "--from": "17:00", "--until": "19:00",
        "--power-w": "-200000", "--reason": "Now.", **changes,
    }  # fmt: skip
    with pytest.raises(CommandError, match=reason):
        call_command("uftp_offer", *[word for pair in asked.items() for word in pair])
    assert not OutboxMessage.objects.exists()


def test_nothing_is_offered_unasked_against_what_is_sold_the_other_way(deviations):
    called_contracts.call(deviations, [Demand(datetime(2026, 7, 1, 16, tzinfo=UTC), 60_000)], now=NOW, day=DAY)
    with pytest.raises(CommandError, match="60 kW the other way"):
        call_command(
            "uftp_offer", "--contract", CONTRACT, "--dso", DSO, "--day", str(DAY), "--from", "17:00", "--until",
            "19:00", "--power-w", "-200000", "--reason", "Now.",
        )  # fmt: skip
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize("agreed", [True, False])
def test_an_order_nobody_offered_binds_where_that_was_agreed(say, tick, deviations, operator, other_side, agreed):
    operator.version = "3.1.0"
    operator.save()
    deviations.takes_unsolicited_orders = agreed
    deviations.save()
    say(
        replace(
            ORDER, version="3.1.0", unsolicited=True, flex_offer_message_id=None, option_reference=None,
            contract_id=CONTRACT,
        )
    )  # fmt: skip
    tick()
    assert ContractCall.objects.exists() is agreed
    assert other_side.messages()[-1].result is (Result.ACCEPTED if agreed else Result.REJECTED)
