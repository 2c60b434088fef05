import uuid
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, transaction
from django.db.models import F

from aggregator.core.models import InboxMessage, OutboxMessage
from aggregator.core.services import clock
from assets.models import AggregationEan
from bidding.markets.uftp import messages as m
from bidding.markets.uftp.answers import respond
from bidding.markets.uftp.transport import MESSAGE_PATH
from bidding.markets.uftp.vocabulary import Result, Role
from bidding.models import Activation, Announcement, Bid, Commitment, Contract, ContractCall, LedgerEntry, UftpMessage
from bidding.operations import bids
from bidding.operations.bids import SizedWindow
from bidding.operations.ledger import release_commitments
from bidding.uftp import processing
from bidding.uftp.address_book import remember_by_hand
from bidding.uftp.agreements import contract_of
from bidding.uftp.offers import NotRevocable, revoke_offer
from settlement.reconciliation.operations import reconcile_due
from tests.conformance.uftp.samples import DAY, NOW, REQUEST, SAMPLES
from tests.integration.uftp.operator_side import OTHER_KEY, limit_request, order_for

pytestmark = pytest.mark.django_db
STARTS_AT = datetime(2026, 7, 1, 15, tzinfo=UTC)  # 17:00 in Amsterdam


@pytest.fixture
def offer(say, tick, contract, other_side):
    """Our offer for a limit of 150 kW, as the operator received it."""
    say(limit_request())
    tick()
    return other_side.messages()[-1]


@pytest.fixture
def redispatch_bid(group):
    """200 kW of the same group and hour are offered for redispatch, out of 300 kW."""
    announcement = Announcement.objects.create(
        external_id="A1", revision=1, known_at=NOW, congestion_area=group.congestion_area, direction="reduce",
        starts_at=STARTS_AT, ends_at=STARTS_AT + timedelta(hours=1), required_power_w=[1] * 4, document={},
    )  # fmt: skip
    bid = Bid.objects.create(
        announcement=announcement, aggregation_ean=group, direction="reduce", starts_at=announcement.starts_at,
        ends_at=announcement.ends_at, power_w=200_000, min_power_w=100_000, step_w=100_000,
        price_eur_per_mwh=Decimal(180), reliability=Decimal("0.95"), explanation={}, status=Bid.Status.SUBMITTED,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    bids._commit(bid=bid, ptus=[STARTS_AT + n * timedelta(minutes=15) for n in range(4)], sellable_w=300_000, now=NOW)
    return bid


def rejection(message):
    assert message.result is Result.REJECTED
    return message.rejection_reason


def test_from_request_to_activation(say, tick, contract, other_side, offer):
    accepted, offered = other_side.messages()
    assert (type(accepted), accepted.result) == (m.FlexRequestResponse, Result.ACCEPTED)
    assert (type(offered), offered.flex_request_message_id) == (m.FlexOffer, REQUEST.message_id)
    assert offered.conversation_id == REQUEST.conversation_id
    assert [isp.power_w for isp in offered.options[0].isps] == [150_000] * 8

    say(respond(offer, message_id=str(uuid.uuid4()), now=NOW))
    order = order_for(offer)
    say(order)
    tick()

    answer = other_side.messages()[-1]
    assert (type(answer), answer.result, answer.flex_order_message_id) == (
        m.FlexOrderResponse, Result.ACCEPTED, order.message_id,
    )  # fmt: skip
    assert UftpMessage.objects.get(message_id=offer.message_id).result == UftpMessage.Result.ACCEPTED
    call = ContractCall.objects.get()
    assert (call.contract, call.starts_at, call.ends_at) == (contract, STARTS_AT, STARTS_AT + timedelta(hours=2))
    assert set(call.ptus.values_list("power_w", "max_import_w", "max_export_w")) == {(150_000, 150_000, None)}
    assert list(Commitment.objects.values_list("contract_call", "power_w")) == [(call.pk, 500_000)] * 8
    assert set(LedgerEntry.objects.values_list("committed_w", "sellable_w", "direction")) == {
        (500_000, 500_000, "reduce")
    }
    activation = Activation.objects.get()
    assert (activation.contract_call, activation.bid, activation.direction) == (call, None, "reduce")
    assert set(activation.ptus.values_list("ordered_w", "max_import_w")) == {(0, 150_000)}
    assert not InboxMessage.objects.filter(processed_at=None).exists()
    assert not OutboxMessage.objects.filter(delivered_at=None).exists()


def test_a_deviation_is_ordered_as_it_is(say, tick, contract, other_side):
    contract.power_meaning = Contract.Meaning.DELTA
    contract.save()
    say(REQUEST)
    tick()
    say(order_for(other_side.messages()[-1]))
    tick()

    assert set(Activation.objects.get().ptus.values_list("ordered_w", "max_import_w")) == {(100_000, None)}
    assert set(Commitment.objects.values_list("power_w", "entry__direction")) == {(100_000, "reduce")}


def test_the_order_may_overtake_the_answer_to_the_offer(say, tick, offer):
    say(order_for(offer))
    tick()
    say(respond(offer, message_id=str(uuid.uuid4()), now=NOW))
    tick()
    assert ContractCall.objects.count() == 1


def test_an_order_that_comes_twice_is_one_call(client, say, tick, other_side, offer):
    order = order_for(offer)
    say(order)
    tick()
    say(order)  # the same bytes
    say(order_for(offer, order_reference="again"))  # the same offer
    tick()

    assert ContractCall.objects.count() == Activation.objects.count() == 1
    assert rejection(other_side.messages()[-1]) == "FlexOffer was already ordered"
    assert len([message for message in other_side.messages() if type(message) is m.FlexOrderResponse]) == 2


def test_an_order_other_than_the_offer_is_rejected(say, tick, other_side, offer):
    isps = tuple(replace(isp, power_w=isp.power_w - 1) for isp in offer.options[0].isps)
    say(order_for(offer, isps=isps))
    tick()
    assert rejection(other_side.messages()[-1]) == "Ordered flexibility does not match the offered flexibility"
    assert not ContractCall.objects.exists()


def test_power_sold_for_redispatch_cannot_be_called(say, tick, contract, other_side, offer, redispatch_bid):
    say(order_for(offer))
    tick()

    assert rejection(other_side.messages()[-1]) == "Capacity is not available: it is already sold in one or more ISPs"
    assert not ContractCall.objects.exists()
    assert not Commitment.objects.filter(bid=None).exists()


def test_a_revocation_that_crosses_an_order_wins(say, tick, other_side, offer):
    with pytest.raises(NotRevocable):
        revoke_offer(message_id=offer.message_id, now=NOW, actor=None, reason="not accepted yet")
    say(respond(offer, message_id=str(uuid.uuid4()), now=NOW))
    tick()
    revoke_offer(message_id=offer.message_id, now=NOW, actor=None, reason="cars left")
    say(order_for(offer))
    tick()

    *_, revocation, answer = other_side.messages()
    assert revocation.flex_offer_message_id == offer.message_id
    assert rejection(answer) == "Reference message revoked"
    assert not ContractCall.objects.exists()
    with pytest.raises(NotRevocable):
        revoke_offer(message_id=offer.message_id, now=NOW, actor=None, reason="twice")


def test_a_request_for_sold_power_gets_no_offer(say, tick, contract, other_side, redispatch_bid):
    say(limit_request())
    tick()
    (answer,) = other_side.messages()
    assert rejection(answer) == "Capacity is not available: it is already sold in one or more ISPs"


def test_power_that_lapsed_can_be_called(say, tick, contract, offer, redispatch_bid):
    release_commitments(bid=redispatch_bid, now=NOW)
    say(order_for(offer))
    tick()
    assert ContractCall.objects.count() == 1


def test_called_power_cannot_be_sold_for_redispatch(say, tick, offer, group):
    say(order_for(offer))
    tick()
    announcement = Announcement.objects.create(
        external_id="A2", revision=1, known_at=NOW, congestion_area=group.congestion_area, direction="reduce",
        starts_at=STARTS_AT, ends_at=STARTS_AT + timedelta(hours=1), required_power_w=[1] * 4, document={},
    )  # fmt: skip
    sized = SizedWindow(bid_w=100_000, sellable_w=300_000, baseline_w=[0] * 4, explanation={}, reason="")
    AggregationEan.objects.update(autonomy="approve")

    answer = bids.offer(announcement=announcement, aggregation_ean=group, sized=sized, exchange=None, now=NOW)
    assert answer.reason.startswith("Bids and contracts hold 500 kW in this window")
    with pytest.raises(IntegrityError, match="never_sell_a_kw_twice"), transaction.atomic():
        LedgerEntry.objects.update(committed_w=F("committed_w") + 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"contract_id": "other"}, "Unknown reference ContractID"),
        ({"congestion_point": "ean.871685900000000017"}, "Invalid CongestionPoint"),
        ({"version": "3.1.0"}, "Unsupported Version"),
        ({"recipient_domain": "other.example"}, "Unknown RecipientDomain"),
        ({"sender_domain": "other.example"}, "Mismatch SenderDomain"),
        ({"expires_at": NOW - timedelta(minutes=1)}, "ExpirationDateTime out of bounds"),
        ({"time_zone": "Europe/London"}, "TimeZone rejected"),
    ],
)
def test_a_request_that_breaks_a_rule_is_rejected_and_gets_no_offer(say, tick, contract, other_side, changes, reason):
    say(limit_request(**changes))
    tick()

    (answer,) = other_side.messages()
    assert rejection(answer) == reason
    assert (answer.sender_domain, answer.recipient_domain) == ("agr.example.com", "dso.example.com")


@pytest.mark.parametrize(
    ("agreed", "reason"),
    [
        ({"active_from": DAY + timedelta(days=1)}, "The contract is not active on this day"),
        ({"active_until": DAY - timedelta(days=1)}, "The contract is not active on this day"),
        ({"window_starts": time(17, 15), "window_ends": time(19)}, "ISPs outside the window of the contract"),
        ({"call_until": time(7, 59)}, "Called after the deadline of the contract"),
        ({"power_meaning": "delta", "volume_w": 149_999}, "Power above the volume of the contract"),
    ],
)
def test_the_contract_bounds_what_can_be_called(say, tick, contract, other_side, agreed, reason):
    Contract.objects.update(**agreed)
    say(limit_request())
    tick()
    assert rejection(other_side.messages()[0]) == reason


def test_a_call_cannot_reach_into_what_has_started(say, tick, contract, other_side, set_clock):
    set_clock(STARTS_AT)
    say(limit_request(expires_at=STARTS_AT + timedelta(hours=1)))
    tick()
    assert rejection(other_side.messages()[0]) == "One or more ISPs have already started"


def test_a_deviation_goes_one_way(say, tick, contract, other_side):
    Contract.objects.update(power_meaning="delta")
    down = replace(REQUEST.isps[0], min_power_w=-100_000, max_power_w=0)
    up = replace(REQUEST.isps[1], min_power_w=0, max_power_w=100_000)
    say(replace(REQUEST, isps=(down, up)))
    tick()
    assert rejection(other_side.messages()[0]) == "Powers in both directions in one message are not supported"


def test_a_call_within_window_and_deadline_is_taken(say, tick, contract, other_side):
    Contract.objects.update(window_starts=time(17), window_ends=time(19), call_until=time(8))  # NOW is 08:00 local
    say(limit_request())
    tick()
    assert [type(message) for message in other_side.messages()] == [m.FlexRequestResponse, m.FlexOffer]


def test_the_deadline_is_for_the_request_and_not_for_its_order(say, tick, other_side, contract, set_clock):
    Contract.objects.update(call_until=time(8))
    say(limit_request())
    tick()
    set_clock(NOW + timedelta(hours=1))
    say(order_for(other_side.messages()[-1]))
    tick()
    assert ContractCall.objects.count() == 1


def test_a_call_leaves_what_else_is_sellable(say, tick, offer, group):
    entry = LedgerEntry.objects.create(
        aggregation_ean=group, ptu_start=STARTS_AT, direction="reduce", sellable_w=900_000
    )  # fmt: skip
    say(order_for(offer))
    tick()
    entry.refresh_from_db()
    assert (entry.sellable_w, entry.committed_w) == (900_000, 500_000)


def test_an_order_after_the_offer_expired_is_rejected_with_a_minute_for_their_clock(
    say, tick, other_side, offer, set_clock
):
    set_clock(offer.expires_at + timedelta(seconds=60))
    say(order_for(offer))
    tick()
    assert rejection(other_side.messages()[-1]) == "Reference message expired"

    set_clock(offer.expires_at + timedelta(seconds=59))
    say(order_for(offer))
    tick()
    assert other_side.messages()[-1].result is Result.ACCEPTED


def test_an_order_that_came_in_time_binds_however_late_we_get_to_it(say, tick, other_side, offer, set_clock):
    set_clock(offer.expires_at)
    say(order_for(offer))
    set_clock(offer.expires_at + timedelta(minutes=10))
    tick()
    assert other_side.messages()[-1].result is Result.ACCEPTED


def test_an_offer_is_not_tried_in_the_last_minute_before_it_expires(say, tick, contract, other_side, set_clock):
    say(limit_request())
    other_side.answers[MESSAGE_PATH] = [(200, ""), (503, "")]
    tick()
    set_clock(REQUEST.expires_at - timedelta(seconds=60))
    tick()
    assert [type(message) for message in other_side.messages()] == [m.FlexRequestResponse, m.FlexOffer]
    assert OutboxMessage.objects.get(dead_at__isnull=False).last_error.startswith("The deadline passed")


def test_a_revision_must_increase(say, tick, contract, other_side):
    say(limit_request(message_id=str(uuid.uuid4())))
    say(limit_request(message_id=str(uuid.uuid4())))
    say(limit_request(140_000, message_id=str(uuid.uuid4()), revision=2))
    tick()

    answers = [message for message in other_side.messages() if type(message) is m.FlexRequestResponse]
    assert [answer.rejection_reason for answer in answers] == [None, "Revision not increased", None]


def test_who_signs_in_another_role_is_told(say, tick, contract, other_side):
    remember_by_hand(
        domain="dso.example.com", role=Role.AGR, public_key=OTHER_KEY.public_key, endpoint="", version="3.0.0", now=NOW
    )
    say(limit_request(), key=OTHER_KEY, role=Role.AGR)
    tick()
    assert "Invalid Sender (not matching role)" in rejection(other_side.messages()[0])


def test_a_barred_sender_is_told(say, tick, contract, other_side):
    contract.dso.is_barred = True
    contract.dso.save()
    say(limit_request())
    tick()
    assert rejection(other_side.messages()[0]) == "Barred Sender"


def test_the_rest_of_the_protocol_is_answered_or_kept(say, tick, contract, other_side):
    """Every message of the set: what an operator may send gets its answer, what is not for us gets none."""
    for sample in SAMPLES:
        say(
            replace(
                sample,
                message_id=str(uuid.uuid4()),
                sender_domain="dso.example.com",
                recipient_domain="agr.example.com",
            )
        )
    tick()
    reconcile_due(now=NOW)
    tick()

    assert not InboxMessage.objects.filter(processed_at=None).exists(), InboxMessage.objects.values("error")
    answered = {message.element for message in other_side.messages()}
    assert answered == {
        "TestMessageResponse", "FlexRequestResponse", "FlexOffer", "FlexOrderResponse", "FlexReservationUpdateResponse",
        "FlexSettlementResponse",
    }  # fmt: skip


def kept(contract, power_w, isps=range(69, 77)):
    """A message that keeps so much reserved of the contract from 17:00 to 19:00."""
    update = next(sample for sample in SAMPLES if sample.element == "FlexReservationUpdate")
    powers = tuple(m.PowerIsp(power_w=power_w, start=start) for start in isps)
    return replace(update, message_id=str(uuid.uuid4()), contract_id=contract.contract_id, period=DAY, isps=powers)


@pytest.mark.parametrize("meaning", ["limit", "delta"])
def test_what_an_operator_released_can_no_longer_be_called(say, tick, contract, other_side, meaning):
    Contract.objects.update(power_meaning=meaning)
    say(kept(contract, 0, isps=[70]))
    tick()
    assert other_side.messages()[-1].result is Result.ACCEPTED

    say(limit_request() if meaning == "limit" else REQUEST)
    tick()
    assert rejection(other_side.messages()[-1]) == "Power above the volume of the contract"


def test_what_stays_reserved_bounds_the_call_and_what_it_takes(say, tick, contract, other_side, offer):
    say(kept(contract, 400_000))
    say(kept(contract, -300_000))  # the newest counts
    say(order_for(offer))
    tick()
    assert set(Commitment.objects.values_list("power_w", flat=True)) == {300_000}

    say(kept(contract, 500_001))
    tick()
    assert rejection(other_side.messages()[-1]) == "Power above the volume of the contract"
    assert set(contract.reservations.values_list("power_w", flat=True)) == {300_000}
    assert ContractCall.objects.count() == 1  # what was ordered stays ordered


def test_of_updates_that_overtake_each_other_the_one_said_last_counts(say, tick, contract, other_side):
    said_first = replace(kept(contract, 100_000, isps=[69, 70]), time_stamp=NOW - timedelta(minutes=5))
    say(kept(contract, 300_000, isps=[70, 71]))
    say(said_first)
    tick()
    assert [answer.result for answer in other_side.messages()] == [Result.ACCEPTED] * 2
    powers = contract.reservations.order_by("ptu_start").values_list("power_w", flat=True)
    assert list(powers) == [100_000, 300_000, 300_000]


def test_a_round_that_is_out_of_time_ends_and_blames_no_message(say, contract, monkeypatch):
    def run_out_of_time(*_):
        raise SoftTimeLimitExceeded

    say(limit_request())
    monkeypatch.setattr(processing, "_process", run_out_of_time)
    with pytest.raises(SoftTimeLimitExceeded):
        processing.process_due(clock=clock())
    assert InboxMessage.objects.get().error == ""


def test_an_order_is_judged_by_the_contract_as_it_stands_when_it_is_taken_on(say, tick, other_side, offer, monkeypatch):
    def ended_meanwhile(*given):
        found = contract_of(*given)
        Contract.objects.update(active_until=DAY - timedelta(days=1))
        return found

    monkeypatch.setattr(processing, "contract_of", ended_meanwhile)
    say(order_for(offer))
    tick()
    assert rejection(other_side.messages()[-1]) == "The contract is not active on this day"
    assert not ContractCall.objects.exists()


def test_dying_while_processing_loses_and_doubles_nothing(say, tick, other_side, offer, monkeypatch):
    say(order_for(offer))

    def die(**_):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(processing, "send", die)
        with pytest.raises(SystemExit):
            tick()
    assert not ContractCall.objects.exists()
    assert InboxMessage.objects.filter(processed_at=None).count() == 1

    tick()
    tick()
    assert ContractCall.objects.count() == 1
    assert [type(message) for message in other_side.messages()].count(m.FlexOrderResponse) == 1


def test_a_message_that_cannot_be_processed_waits_and_holds_up_nobody(
    say, tick, contract, own_key, other_side, set_clock
):
    say(limit_request())
    say(replace(REQUEST, message_id=str(uuid.uuid4()), contract_id="other"))
    private_key = bytes(own_key.sealed_private_key)
    own_key.sealed_private_key = b"\0" * len(private_key)
    own_key.save()
    tick()
    waiting = InboxMessage.objects.filter(processed_at=None)
    assert waiting.count() == 2
    assert "SECRET_KEY changed" in waiting[0].error

    own_key.sealed_private_key = private_key
    own_key.save()
    set_clock(NOW + timedelta(minutes=1))
    tick()
    assert not InboxMessage.objects.filter(processed_at=None).exists()
    assert len(other_side.messages()) == 3


def test_more_failing_messages_than_a_round_takes_do_not_stand_before_a_new_one(
    say, tick, contract, other_side, set_clock
):
    InboxMessage.objects.bulk_create(
        InboxMessage(channel="uftp", sender="x", message_id=str(number), body=b"", body_sha256="", received_at=NOW)
        for number in range(250)
    )
    tick()
    say(limit_request())
    set_clock(NOW + timedelta(minutes=1))
    tick()
    assert len(other_side.messages()) == 2, "the answer to the new one, and its offer"
    waiting = InboxMessage.objects.filter(processed_at=None)
    assert waiting.count() == 250
    assert waiting.order_by("failures").values_list("failures", flat=True).first() == 1, "each had its turn"
    assert not waiting.filter(failures__gt=1).exclude(next_attempt_at__gt=NOW + timedelta(minutes=1)).exists()
