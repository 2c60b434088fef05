"""An operator's settlement: what our record of its orders says of it, and the answer."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from bidding.markets.uftp.answers import respond
from bidding.markets.uftp.codec import parse
from bidding.markets.uftp.messages import PowerIsp
from bidding.markets.uftp.settlement_messages import FlexSettlement, FlexSettlementResponse, OrderSettlement
from bidding.models import ContractCall, UftpMessage, UftpParticipant
from bidding.uftp.calls import LONGEST_REFERENCE
from bidding.uftp.demands import demands_of
from bidding.uftp.sending import ANSWER_WITHIN, new_message_id, send

UNKNOWN_ORDER = "No such order was accepted"
OTHER_PERIOD = "The order is for another day"
OTHER_POWER = "OrderedFlexPower differs from what was ordered"


def unanswered() -> QuerySet[UftpMessage]:
    """Return the settlements that the protocol's rules accept and that were not answered yet, oldest first."""
    answers = UftpMessage.objects.filter(
        way=UftpMessage.Way.SENT,
        element=FlexSettlementResponse.element,
        participant=OuterRef("participant"),
        refers_to=OuterRef("message_id"),
    )
    return (
        UftpMessage.objects.filter(
            ~Exists(answers),
            way=UftpMessage.Way.RECEIVED,
            element=FlexSettlement.element,
            result=UftpMessage.Result.ACCEPTED,
        )
        .select_related("participant")
        .order_by("pk")
    )


def read_settlement(message: UftpMessage) -> FlexSettlement:
    """Return the settlement in a stored message."""
    settlement = parse(bytes(message.document))
    assert isinstance(settlement, FlexSettlement)  # noqa: S101 - a promise of `unanswered`
    return settlement


def call_of(order: OrderSettlement, *, participant: UftpParticipant) -> ContractCall | None:
    """Return the call that an order's settlement is about: nobody keeps an operator from using a reference again."""
    reference = (order.order_reference or "")[:LONGEST_REFERENCE]
    calls = ContractCall.objects.filter(contract__dso=participant, order_reference=reference).order_by("-pk")
    calls = calls.select_related("contract")
    return calls.filter(day=order.period).first() or calls.first()


def dispute_of_order(order: OrderSettlement, *, participant: UftpParticipant) -> str:
    """Return why what was ordered is disputed; empty when it agrees with our record."""
    call = call_of(order, participant=participant)
    if call is None:
        return UNKNOWN_ORDER
    if call.day != order.period:
        return OTHER_PERIOD
    isps = [PowerIsp(power_w=isp.ordered_flex_power_w, start=isp.start, duration=isp.duration) for isp in order.isps]
    demands = demands_of(isps, period=order.period, contract=call.contract)  # as the order itself was read
    settled = [(demand.ptu_start, demand.power_w) for demand in demands]
    ordered = list(call.ptus.order_by("ptu_start").values_list("ptu_start", "power_w"))
    return "" if settled == ordered else OTHER_POWER


def answer_settlement(
    *, message: UftpMessage, settlement: FlexSettlement, disputes: Mapping[str, str], now: datetime
) -> UftpMessage:
    """Accept a settlement, but for the orders disputed by reference; the caller holds the transaction."""
    answer = respond(settlement, message_id=new_message_id(), now=now, disputes=disputes)
    return send(participant=message.participant, message=answer, now=now, deadline_at=now + ANSWER_WITHIN)
