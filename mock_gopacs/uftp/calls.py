"""The grid operators' side of a call: request, judge the answers, order. Each step is one transaction.

What is due is read from the rows like every other step of the market; what the aggregator says moves a call on from
`broker.receive`. A late step does not pretend to be early: messages carry the time at which they are really made.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from bidding.markets.uftp import messages as m
from bidding.markets.uftp.codec import parse
from bidding.markets.uftp.powers import PowerMeaning
from bidding.markets.uftp.vocabulary import Result
from mock_gopacs.due import Due, Step, first
from mock_gopacs.models import Call, CallContract, Market, UftpMessage
from mock_gopacs.uftp import outbox
from mock_gopacs.uftp.composing import order_for, request_for, suitable_option
from mock_gopacs.uftp.plans import CallPlan

_OPEN_FOR_OFFERS = (Call.State.REQUESTED, Call.State.AWAITING_OFFER)


def due_calls() -> tuple[Due | None, ...]:
    """Return what comes first of each kind of step."""
    calls = Call.objects.select_related("contract")
    return (
        first(calls.filter(state=Call.State.SCHEDULED), "called_at", _request),
        first(calls.filter(state=Call.State.OFFERED), "orders_at", _order),
        first(calls.filter(state__in=_OPEN_FOR_OFFERS), "offers_until", _lapse),
    )


@transaction.atomic
def call_now(contract_id: str, plan: CallPlan, *, now: datetime) -> Call:
    """Call a contract outside the scenario's plan; raises `CallContract.DoesNotExist`."""
    Market.lock()
    call = new_call(CallContract.objects.get(pk=contract_id), plan)
    call.called_at = now
    _open(call, now)
    return call


def new_call(contract: CallContract, plan: CallPlan) -> Call:
    """Return the row of a planned call, unsaved."""
    return Call(
        contract=contract,
        called_at=plan.called_at,
        starts_at=plan.window.starts_at,
        ends_at=plan.window.ends_at,
        power_w=plan.power_w,
        offer_window=plan.offer_window,
        order_delay=plan.order_delay,
    )


def hear_request_response(call: Call, response: m.FlexRequestResponse) -> None:
    """Wait for the offer, or take no for an answer."""
    if call.state == Call.State.REQUESTED and response.flex_request_message_id == str(call.request_message_id):
        accepted = response.result is Result.ACCEPTED
        call.state = Call.State.AWAITING_OFFER if accepted else Call.State.DECLINED
        call.save()


def hear_offer(call: Call, offer: m.FlexOffer, *, now: datetime) -> bool:
    """Plan the order of an accepted offer if it gives what was asked; return whether that is at once.

    An offer that does not is accepted all the same (accepting is not ordering) and the call goes on waiting.
    """
    if call.state != Call.State.AWAITING_OFFER or _option(call, offer) is None:
        return False
    call.state, call.orders_at = Call.State.OFFERED, now + call.order_delay
    call.offer_message_id = offer.message_id
    call.save()
    return call.orders_at <= now


def hear_revocation(call: Call, revocation: m.FlexOfferRevocation) -> None:
    """Wait for another offer; a revocation that crosses the order ends the call."""
    if revocation.flex_offer_message_id != str(call.offer_message_id):
        return
    if call.state == Call.State.OFFERED:
        call.state, call.orders_at, call.offer_message_id = Call.State.AWAITING_OFFER, None, None
    elif call.state == Call.State.ORDERED:
        call.state = Call.State.REVOKED
    call.save()


def hear_order_response(call: Call, response: m.FlexOrderResponse) -> None:
    """Count on delivery, or not."""
    if call.state == Call.State.ORDERED and response.flex_order_message_id == str(call.order_message_id):
        accepted = response.result is Result.ACCEPTED
        call.state = Call.State.CONFIRMED if accepted else Call.State.REFUSED
        call.save()


def order(call: Call, now: datetime) -> None:
    """Order the offer that was chosen, within the caller's transaction; an offer that expired meanwhile lapses."""
    offer = _message(call, call.offer_message_id)
    assert isinstance(offer, m.FlexOffer)  # noqa: S101 - hear_offer put its id there
    option = _option(call, offer)
    if option is None or offer.expires_at <= now:
        call.state = Call.State.LAPSED
        call.save()
        return
    message = order_for(call, offer, option, message_id=outbox.new_message_id(), now=now)
    call.state, call.order_message_id = Call.State.ORDERED, message.message_id
    call.save()
    outbox.put(message, dso=call.contract.dso, aggregator=call.contract.aggregator, now=now)


def _open(call: Call, now: datetime) -> None:
    """Send the request, or note that it is too late for one."""
    if now >= call.starts_at:
        call.state = Call.State.MISSED
        call.save()
        return
    call.offers_until = call.expiry(now)
    message = request_for(call, message_id=outbox.new_message_id(), now=now, expires_at=call.offers_until)
    call.state, call.request_message_id = Call.State.REQUESTED, message.message_id
    call.save()
    outbox.put(message, dso=call.contract.dso, aggregator=call.contract.aggregator, now=now)


@transaction.atomic
def _request(row: Call, at: datetime, now: datetime) -> Step | None:
    call = _again(row, Call.State.SCHEDULED)
    if call is None:
        return None
    _open(call, now)
    return Step(at, "contract called" if call.state == Call.State.REQUESTED else "call missed", str(call))


@transaction.atomic
def _order(row: Call, at: datetime, now: datetime) -> Step | None:
    call = _again(row, Call.State.OFFERED)
    if call is None:
        return None
    order(call, now)
    return Step(at, "offer ordered" if call.state == Call.State.ORDERED else "call lapsed", str(call))


@transaction.atomic
def _lapse(row: Call, at: datetime, _now: datetime) -> Step | None:
    call = _again(row, *_OPEN_FOR_OFFERS)
    if call is None:
        return None
    call.state = Call.State.LAPSED
    call.save()
    return Step(at, "call lapsed", str(call))


def _again(row: Call, *states: str) -> Call | None:
    """Return the call, read again under the market's lock, if it is still in one of these states."""
    Market.lock()
    return Call.objects.select_related("contract").filter(pk=row.pk, state__in=states).first()


def _option(call: Call, offer: m.FlexOffer) -> m.OfferOption | None:
    request = _message(call, call.request_message_id)
    assert isinstance(request, m.FlexRequest)  # noqa: S101 - _open put its id there
    meaning, price = PowerMeaning(call.contract.power_meaning), call.contract.price_eur
    return suitable_option(offer, request, meaning=meaning, highest_price=price)


def _message(call: Call, message_id: Any) -> m.PayloadMessage:
    """Return a message of this call; of letters with one MessageID the first, which is the true one."""
    rows = UftpMessage.objects.filter(conversation_id=call.conversation_id, message_id=message_id)
    return parse(bytes(rows.earliest("pk").document))
