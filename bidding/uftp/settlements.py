"""Comparing an operator's settlement with our own record of its orders."""

from bidding.markets.uftp.settlement_messages import FlexSettlement, OrderSettlement
from bidding.models import ContractCall, UftpParticipant

UNKNOWN_ORDER = "No such order was accepted"
OTHER_PERIOD = "The order is for another day"
OTHER_POWER = "OrderedFlexPower differs from what was ordered"


def disputes_of(settlement: FlexSettlement, *, participant: UftpParticipant) -> dict[str, str]:
    """Return why orders are disputed, by their reference; orders that agree with our record are not in it."""
    disputes = {}
    for order in settlement.order_settlements:
        reason = _dispute(order, participant)
        if reason:
            disputes[order.order_reference or ""] = reason
    return disputes


def _dispute(order: OrderSettlement, participant: UftpParticipant) -> str:
    calls = ContractCall.objects.filter(contract__dso=participant, order_reference=order.order_reference or "")
    call = calls.first()
    if call is None:
        return UNKNOWN_ORDER
    if call.day != order.period:
        return OTHER_PERIOD
    isps = sorted(order.isps, key=lambda isp: isp.start)
    settled = [isp.ordered_flex_power_w for isp in isps for _ in range(isp.duration)]
    ordered = list(call.ptus.order_by("ptu_start").values_list("power_w", flat=True))
    return "" if settled == ordered else OTHER_POWER
