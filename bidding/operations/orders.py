"""What the exchange did with our orders: clearing becomes a duty to deliver."""

from datetime import datetime

from django.db import transaction

from aggregator.core import audit
from aggregator.core.interval import Interval
from aggregator.core.ptu import ptu_range
from bidding.markets.exchange.orders import OrderState
from bidding.models import Activation, ActivationPtu, Bid
from bidding.operations.bids import release_commitments


@transaction.atomic
def follow_order(*, bid_id: int, state: OrderState, now: datetime) -> Bid:
    """Take over what the exchange says of an order. Seeing the same state twice changes nothing.

    Cleared power is ordered at once, also while the rest of the order still waits; a later fill raises the order.
    """
    bid = Bid.objects.select_for_update().get(pk=bid_id)
    if bid.status != Bid.Status.SUBMITTED:
        return bid
    if state.cleared_power_w > bid.cleared_power_w:
        bid.cleared_power_w = min(state.cleared_power_w, bid.power_w)
        bid.cleared_price_eur_per_mwh = state.cleared_price_eur_per_mwh
        _order(bid=bid, order_id=state.order_id, now=now)
        audit.record(now=now, action="bidding.bid.cleared", subject=bid, after={"cleared_w": bid.cleared_power_w})
    if state.is_final:
        bid.status = _final_status(bid, state)
        release_commitments(bid=bid, now=now, keep_w=bid.cleared_power_w)
        audit.record(now=now, action=f"bidding.bid.{bid.status.replace('_', '-')}", subject=bid)
    bid.updated_at = now
    bid.save(update_fields=["status", "cleared_power_w", "cleared_price_eur_per_mwh", "updated_at"])
    return bid


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
