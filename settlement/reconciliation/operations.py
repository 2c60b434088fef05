"""Checking an operator's settlement (FlexSettlement) against ours, order by order, and answering it.

An order agrees when the operator's ordered power is what we took on, its delivered power is what we measured, and its
money is what the contract makes of that. A price and money of zero say nothing: called contracts settle outside UFTP.

All powers of UFTP are positive towards the consumer, so what is delivered of a reduction is negative. Of what went the
other way, or beyond what was ordered, nothing is paid; there the meters need not agree.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from aggregator.core import locks
from aggregator.core.isolation import failing_alone
from aggregator.core.money import CENT
from aggregator.core.ptu import ptu_number
from bidding.markets.uftp.settlement_messages import FlexSettlement, OrderSettlement
from bidding.models import ContractCall, Direction, UftpMessage
from bidding.uftp.settlements import answer_settlement, call_of, dispute_of_order, read_settlement, unanswered
from settlement.models import Delivery, OperatorSettlement
from settlement.remuneration.contracts import penalty_eur
from settlement.remuneration.shares import amount_eur

logger = logging.getLogger(__name__)

WAIT_FOR_OURS = timedelta(days=3)
"""How long an answer waits for our own settlement of what it is about."""
TOLERANCE_W = 1_000
"""Two meters' difference in a quarter hour that nobody argues about; ours [I]."""
CURRENCY = "EUR"
_RECONCILIATION = -1  # activations lock their own number, statements zero
NOT_SETTLED_YET = "Our own settlement is not complete; send it again later"
OTHER_DELIVERY = "DeliveredFlexPower differs from our meter values"
OTHER_CURRENCY = f"Currency is not {CURRENCY}, in which the contract is paid; settle it in {CURRENCY}"
OTHER_MONEY = "NetSettlement differs from what the contract makes of the delivery"


@dataclass(frozen=True, slots=True)
class _Item:
    order: OrderSettlement
    call: ContractCall | None
    our_net_eur: Decimal | None
    reason: str


def reconcile_due(*, now: datetime) -> int:
    """Answer the settlements that can be checked; return how many. One that fails is logged and holds up no other."""
    answered = 0
    for message in unanswered():
        with failing_alone(
            logger,
            "FlexSettlement %s of %s was not answered; it is tried again in the next round. Mend the cause, or answer "
            "the operator by mail before its term ends.",
            message.message_id,
            message.participant.domain,
        ):
            answered += _reconcile(message_pk=message.pk, now=now)
    return answered


@transaction.atomic
def _reconcile(*, message_pk: int, now: datetime) -> bool:
    locks.take(locks.AdvisoryLock.SETTLEMENT, _RECONCILIATION)
    message = unanswered().filter(pk=message_pk).first()
    if message is None:  # another worker was quicker
        return False
    settlement = read_settlement(message)
    items = [_check(order, message, settlement.currency, now) for order in settlement.order_settlements]
    checked = [item for item in items if item is not None]
    if len(checked) < len(items):
        return False
    _store(message, settlement, checked, now)
    disputes = {item.order.order_reference or "": item.reason for item in checked if item.reason}
    answer_settlement(message=message, settlement=settlement, disputes=disputes, now=now)
    return True


def _check(order: OrderSettlement, message: UftpMessage, currency: str, now: datetime) -> _Item | None:
    """Return the outcome for one order; None while our own settlement of it is awaited."""
    reason = dispute_of_order(order, participant=message.participant)
    call = call_of(order, participant=message.participant)
    if reason or call is None:
        return _Item(order, call, None, reason)
    delivery = Delivery.objects.filter(activation__contract_call=call).order_by("-version").first()
    if delivery is None:
        return None if now < message.at + WAIT_FOR_OURS else _Item(order, call, None, NOT_SETTLED_YET)
    rows = delivery.ptus.order_by("ptu_start").annotate(paid_wh=Sum("shares__paid_wh", default=0))
    ours = list(rows.values_list("ptu_start", "ordered_w", "delivered_w", "paid_wh", "price_eur_per_mwh"))
    penalty = penalty_eur(
        (ordered_w - max(got_w, 0) for _, ordered_w, got_w, *_ in ours), call.contract.penalty_eur_per_mwh
    )
    earned_eur = sum((amount_eur(paid_wh, price) for *_, paid_wh, price in ours), Decimal(0))
    our_net_eur = earned_eur.quantize(CENT) - penalty
    sign = -1 if call.direction == Direction.REDUCE else 1
    theirs_w = {
        number: sign * isp.delivered_flex_power_w
        for isp in order.isps
        for number in range(isp.start, isp.start + isp.duration)
    }
    is_formal = order.price == order.net_settlement == 0
    if any(
        abs(_paid_w(theirs_w.get(ptu_number(start), 0), ordered_w) - _paid_w(got_w, ordered_w)) > TOLERANCE_W
        for start, ordered_w, got_w, *_ in ours
    ):
        reason = OTHER_DELIVERY
    elif not is_formal and currency != CURRENCY:
        reason = OTHER_CURRENCY
    elif not is_formal and abs(order.net_settlement - our_net_eur) > CENT:
        reason = OTHER_MONEY
    return _Item(order, call, our_net_eur, reason)


def _paid_w(delivered_w: int, ordered_w: int) -> int:
    return min(max(delivered_w, 0), ordered_w)


def _store(message: UftpMessage, settlement: FlexSettlement, items: list[_Item], now: datetime) -> None:
    OperatorSettlement.objects.bulk_create(
        OperatorSettlement(
            message=message,
            order_reference=(item.order.order_reference or "")[:200],
            day=item.order.period,
            call=item.call,
            currency=settlement.currency,
            their_net=item.order.net_settlement,
            our_net_eur=item.our_net_eur,
            dispute_reason=item.reason,
            checked_at=now,
        )
        for item in items
    )
    disputed = sum(bool(item.reason) for item in items)
    if disputed:
        logger.warning("%s disputes %s of %s orders", message, disputed, len(items))
