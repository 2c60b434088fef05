"""What the exchange did with our orders: clearing becomes a duty to deliver. Each function is one act."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from aggregator.core import audit
from aggregator.core.interval import Interval
from aggregator.core.ptu import dutch_time, ptu_range
from bidding.markets.exchange.orders import OrderState
from bidding.models import Activation, ActivationPtu, Bid, OrderChange, SurplusOrder
from bidding.operations.approvals import end
from bidding.operations.ledger import W_PER_KW, release_commitments
from bidding.operations.order_changes import note_change_shown

logger = logging.getLogger(__name__)

_FOLLOWED = (Bid.Status.APPROVED, Bid.Status.SOUGHT, Bid.Status.SUBMITTED)


@transaction.atomic
def follow_orders_of(*, bid_id: int, known_as: str, states: Iterable[OrderState], now: datetime) -> None:
    """Take over what the exchange says of all orders under a bid's reference: one is the bid's, others are surplus.

    Of several that are new to us the one that cleared most is the bid's; else one that is open, and the oldest. An
    order that took the place of the bid's own is the bid's too: some exchanges answer a change with another order.

    The exchange was asked at `now`, when the bid's order was `known_as` (empty: none was known). Another answer, asked
    later, may have been taken over before; then this one says nothing any more. While a change is under way the list
    may show the old order and the new one, or neither, so it makes no order surplus and does not end the bid.
    """
    bid = Bid.objects.select_for_update().get(pk=bid_id)
    if bid.exchange_order_id != known_as:
        return
    found = sorted(states, key=lambda state: (-state.cleared_power_w, state.is_final))
    if successor := _successor(bid, found):
        audit.record(
            now=now,
            action="bidding.bid.order-replaced",
            subject=bid,
            before={"order": bid.exchange_order_id},
            after={"order": successor.order_id},
        )
        bid.exchange_order_id, bid.order_version, bid.placed_at = successor.order_id, 0, now
    under_way = Q(status=OrderChange.Status.ASKED) | Q(answered_at__gte=now)
    may_be_replaced = bid.status == Bid.Status.SUBMITTED and bid.changes.filter(under_way).exists()
    for state in found:
        _follow(bid=bid, state=state, may_be_replaced=may_be_replaced, now=now)


def _successor(bid: Bid, found: Sequence[OrderState]) -> OrderState | None:
    """Return the order that took the place of the bid's own, which is out of the book; None when none did.

    What the own order cleared is a duty already. One that does not carry that on would sell beside it.
    """
    own = next((state for state in found if state.order_id == bid.exchange_order_id), None)
    if bid.status != Bid.Status.SUBMITTED or (own and not own.is_final):
        return None
    cleared_w = max(bid.cleared_power_w, own.cleared_power_w if own else 0)
    not_ours = {bid.exchange_order_id, *bid.surplus_orders.values_list("order_id", flat=True)}
    others = [state for state in found if state.order_id not in not_ours and state.cleared_power_w >= cleared_w]
    return next((state for state in others if not state.is_final or state.cleared_power_w > cleared_w), None)


@transaction.atomic
def follow_order(*, bid_id: int, state: OrderState, now: datetime) -> Bid:
    """Take over what the exchange says of an order, however we learnt it. The same or older news changes nothing.

    Cleared power is ordered at once, also while the rest of the order still waits; a later fill raises the order. A
    fill of a bid that was ended here is nobody's to plan, as its power may be sold again: it is logged for people, and
    an order that nobody had found when its bid was ended is taken out of the book. So is one beside the bid's own.
    Of an order that was ever changed, news of one order does not tell whether another took its place: that it ended,
    and that there is another, is left to `follow_orders_of`.
    """
    bid = Bid.objects.select_for_update().get(pk=bid_id)
    may_be_replaced = bid.status == Bid.Status.SUBMITTED and bid.changes.exists()
    _follow(bid=bid, state=state, may_be_replaced=may_be_replaced, now=now)
    return bid


def _follow(*, bid: Bid, state: OrderState, may_be_replaced: bool, now: datetime) -> None:
    """Take over news of one order; the caller locks the bid."""
    if bid.exchange_order_id not in {"", state.order_id}:
        known = bid.surplus_orders.filter(order_id=state.order_id).first()
        if known or not may_be_replaced:
            _note_surplus(bid=bid, known=known, state=state, now=now)
        return
    if bid.status not in _FOLLOWED or 0 < state.version < bid.order_version:
        if reason := unplanned_fill(bid=bid, state=state):
            audit.record(now=now, action="bidding.bid.cleared-after-its-end", subject=bid, reason=reason)
            logger.error("%s", reason)
        if bid.status in Bid.ENDED_UNSOLD and not bid.exchange_order_id and not state.is_final:
            _have_taken_out(bid=bid, state=state, now=now)
        return
    if bid.status != Bid.Status.SUBMITTED:
        bid.status, bid.exchange_order_id, bid.placed_at = Bid.Status.SUBMITTED, state.order_id, now
        audit.record(now=now, action="bidding.bid.submitted", subject=bid, after={"order": state.order_id})
    note_change_shown(bid=bid, state=state, now=now)
    bid.order_version, bid.is_locked = state.version, state.is_locked
    if state.cleared_power_w > bid.cleared_power_w:
        bid.cleared_power_w = min(state.cleared_power_w, bid.power_w)
        bid.cleared_price_eur_per_mwh = state.cleared_price_eur_per_mwh
        _order(bid=bid, order_id=state.order_id, now=now)
        audit.record(now=now, action="bidding.bid.cleared", subject=bid, after={"cleared_w": bid.cleared_power_w})
    if state.is_final and (bid.cleared_power_w == bid.power_w or not may_be_replaced):
        bid.status, bid.is_locked = _final_status(bid, state), False
        release_commitments(bid=bid, now=now, keep_w=bid.cleared_power_w)
        audit.record(now=now, action=f"bidding.bid.{bid.status.replace('_', '-')}", subject=bid)
    bid.updated_at = now
    bid.save(
        update_fields=[
            "status",
            "exchange_order_id",
            "placed_at",
            "order_version",
            "is_locked",
            "cleared_power_w",
            "cleared_price_eur_per_mwh",
            "updated_at",
        ]
    )


def _have_taken_out(*, bid: Bid, state: OrderState, now: datetime) -> None:
    """Note an order that turned up in the book after its bid was ended, for `ask_withdrawals`; the bid stays ended."""
    bid.exchange_order_id, bid.order_version = state.order_id, state.version
    bid.placed_at = max(now, bid.updated_at)  # its mark: not before its end; clocks differ
    bid.withdrawal_asked_at = bid.withdrawal_asked_at or now
    bid.save(update_fields=["exchange_order_id", "order_version", "placed_at", "withdrawal_asked_at"])
    audit.record(now=now, action="bidding.bid.found-after-its-end", subject=bid, after={"order": state.order_id})
    logger.warning("Order %s of bid %s is in the book, although the bid was ended", state.order_id, bid.reference)


def _note_surplus(*, bid: Bid, known: SurplusOrder | None, state: OrderState, now: datetime) -> None:
    """Note an order beside the bid's own, for `ask_withdrawals`, and tell people; the caller locks the bid."""
    if known is None and state.is_final and not state.cleared_power_w:
        return  # it sold nothing, and cannot any more
    surplus = known or SurplusOrder(bid=bid, order_id=state.order_id, found_at=now)
    is_news = known is None or state.cleared_power_w > known.cleared_power_w
    surplus.cleared_power_w = max(surplus.cleared_power_w, state.cleared_power_w)
    surplus.is_final = surplus.is_final or state.is_final
    surplus.save()
    if not is_news:
        return
    reason = (
        f"Order {state.order_id} is in the book beside order {bid.exchange_order_id} of bid {bid.reference} of "
        f"{bid.aggregation_ean_id} from {dutch_time(bid.starts_at)} Dutch time. It is taken out. The exchange took it "
        "later than EXCHANGE_IN_FLIGHT_MINUTES after it was sent, or gave it for a changed order without what that had "
        "cleared, or it is not ours: ask the exchange, and mend that."
    )
    if state.cleared_power_w:
        reason = (
            f"Call the exchange: {reason} It cleared {state.cleared_power_w / W_PER_KW:,.0f} kW, which is a duty to "
            "deliver that nobody plans."
        )
    audit.record(now=now, action="bidding.bid.surplus-order", subject=bid, reason=reason)
    logger.error("%s", reason)


def unplanned_fill(*, bid: Bid, state: OrderState) -> str:
    """Return what people must do about power that cleared of a bid that had ended; empty where nothing did."""
    cleared_w = min(state.cleared_power_w, bid.power_w) - bid.cleared_power_w
    if bid.status in _FOLLOWED or 0 < state.version < bid.order_version or cleared_w <= 0:
        return ""
    ended_as = ": ".join(filter(None, [bid.get_status_display(), bid.status_reason]))
    return (
        f"Call the exchange: order {state.order_id} cleared {cleared_w / W_PER_KW:,.0f} kW of bid {bid.reference} of "
        f"{bid.aggregation_ean_id} from {dutch_time(bid.starts_at)} Dutch time, which was ended here "
        f"({ended_as}) and freed its power. There is a duty to deliver that nobody plans."
    )


@transaction.atomic
def note_failed(*, reference: str, reason: str, now: datetime) -> None:
    """Note that the exchange refused an order, and free its power; harmless when already known."""
    bid = Bid.objects.select_for_update().get(reference=reference)
    if bid.status != Bid.Status.APPROVED:
        return
    end(bid=bid, status=Bid.Status.FAILED, now=now, reason=reason)
    audit.record(now=now, action="bidding.bid.failed", subject=bid, reason=reason)


@transaction.atomic
def note_sought(*, reference: str, reason: str, now: datetime) -> None:
    """Note that nobody knows whether an order arrived; its power stays sold until `conclude_absent` or it is found."""
    bid = Bid.objects.select_for_update().get(reference=reference)
    if bid.status != Bid.Status.APPROVED:
        return
    bid.status, bid.status_reason, bid.updated_at = Bid.Status.SOUGHT, reason, now
    bid.save(update_fields=["status", "status_reason", "updated_at"])
    audit.record(now=now, action="bidding.bid.sought", subject=bid, reason=reason)


@transaction.atomic
def conclude_absent(*, bid_id: int, gate: timedelta, in_flight: timedelta, now: datetime) -> None:
    """End a sought bid of which the exchange has just said that it has no order, once none can arrive any more.

    `in_flight` is how long after it was sent an order may still get into the book.
    """
    bid = Bid.objects.select_for_update().get(pk=bid_id)
    if bid.status != Bid.Status.SOUGHT:
        return
    nothing_sent_after = min(bid.updated_at, bid.starts_at - gate)
    if now < nothing_sent_after + in_flight:
        return
    is_withdrawn = bid.withdrawal_asked_at is not None
    status = Bid.Status.WITHDRAWN if is_withdrawn else Bid.Status.FAILED
    end(bid=bid, status=status, now=now, reason=bid.status_reason)
    audit.record(now=now, action=f"bidding.bid.{status}", subject=bid, reason="The exchange has no such order.")


def _final_status(bid: Bid, state: OrderState) -> Bid.Status:
    if bid.cleared_power_w == bid.power_w:
        return Bid.Status.CLEARED
    if bid.cleared_power_w:
        return Bid.Status.PARTLY_CLEARED
    return Bid.Status.WITHDRAWN if state.is_cancelled else Bid.Status.NOT_CLEARED


def _order(*, bid: Bid, order_id: str, now: datetime) -> None:
    activation, is_new = Activation.objects.get_or_create(
        bid=bid,
        defaults={
            "reference": order_id,
            "aggregation_ean_id": bid.aggregation_ean_id,
            "direction": bid.direction,
            "starts_at": bid.starts_at,
            "ends_at": bid.ends_at,
            "ordered_at": now,
            "updated_at": now,
        },
    )
    if is_new:
        ActivationPtu.objects.bulk_create(
            ActivationPtu(activation=activation, ptu_start=ptu, ordered_w=bid.cleared_power_w)
            for ptu in ptu_range(Interval(bid.starts_at, bid.ends_at))
        )
    else:
        activation.ptus.update(ordered_w=bid.cleared_power_w)
