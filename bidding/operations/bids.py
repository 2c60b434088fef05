"""Making, approving and ending bids. Each function is one act in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from aggregator.core import audit
from aggregator.core.interval import Interval
from aggregator.core.messaging.operations import enqueue
from aggregator.core.ptu import ptu_range
from assets.models import AggregationEan
from bidding.markets.exchange.client import Exchange
from bidding.markets.exchange.orders import Order, gate_closes_at, order_body
from bidding.models import Announcement, BaselineNomination, Bid, Commitment, LedgerEntry, NoBid
from bidding.models.directions import as_literal
from bidding.operations.ledger import called_w, locked_entries

CHANNEL = "exchange"


class GateClosed(RuntimeError):
    """The window starts too soon for the exchange to take an order."""


class NotInState(RuntimeError):
    """The bid is not where this act can start from, often because somebody was quicker."""


@dataclass(frozen=True, slots=True)
class SizedWindow:
    """What sizing says of a group and window: what to offer, what may be sold at all, and why."""

    bid_w: int
    sellable_w: int
    baseline_w: Sequence[int]
    explanation: Mapping[str, Any]
    reason: str


@transaction.atomic
def offer(
    *,
    announcement: Announcement,
    aggregation_ean: AggregationEan,
    sized: SizedWindow,
    exchange: Exchange,
    now: datetime,
) -> Bid | NoBid:
    """Turn a sized window into a bid, or into the recorded reason why there is none.

    The power is taken from the ledger in the same transaction; `django.db.IntegrityError` (never_sell_a_kw_twice)
    means another bid holds it. An automatic group's bid is approved at once.
    """
    group = AggregationEan.objects.select_for_update().get(pk=aggregation_ean.pk)
    period = Interval(announcement.starts_at, announcement.ends_at)
    ptus = ptu_range(period)
    sized = _without_called(sized, group, called_w(aggregation_ean=group, direction=announcement.direction, ptus=ptus))
    if sized.bid_w == 0 or now >= gate_closes_at(period):
        reason = sized.reason if sized.bid_w == 0 else "The gate closed before the bid was ready."
        refusal, _ = NoBid.objects.get_or_create(
            announcement=announcement,
            aggregation_ean=group,
            defaults={"reason": reason, "explanation": dict(sized.explanation), "decided_at": now},
        )
        return refusal
    bid = Bid.objects.create(
        announcement=announcement,
        aggregation_ean=group,
        direction=announcement.direction,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        power_w=sized.bid_w,
        min_power_w=group.min_bid_w,
        step_w=group.bid_step_w,
        price_eur_per_mwh=group.price_eur_per_mwh,
        reliability=group.reliability,
        explanation=dict(sized.explanation),
        status=Bid.Status.PROPOSED,
        created_at=now,
        updated_at=now,
    )
    _commit(bid=bid, ptus=ptus, sellable_w=sized.sellable_w, now=now)
    BaselineNomination.objects.bulk_create(
        BaselineNomination(aggregation_ean=group, bid=bid, ptu_start=ptu, power_w=power_w, known_at=now)
        for ptu, power_w in zip(ptus, sized.baseline_w, strict=True)
    )
    audit.record(now=now, action="bidding.bid.proposed", subject=bid, after={"power_w": bid.power_w})
    if group.autonomy == AggregationEan.Autonomy.AUTOMATIC:
        _approve(bid=bid, exchange=exchange, now=now, actor=None, reason="automatic group")
    return bid


def fill_in(
    *,
    bid: Bid,
    announcement: Announcement,
    aggregation_ean: AggregationEan,
    power_w: int,
    price_eur_per_mwh: Decimal,
    now: datetime,
) -> Bid:
    """Complete a bid that an operator makes by hand with what follows from its announcement and group; not saved."""
    bid.announcement, bid.aggregation_ean = announcement, aggregation_ean
    bid.direction, bid.starts_at, bid.ends_at = announcement.direction, announcement.starts_at, announcement.ends_at
    bid.power_w, bid.price_eur_per_mwh = power_w, price_eur_per_mwh
    bid.min_power_w, bid.step_w = aggregation_ean.min_bid_w, aggregation_ean.bid_step_w
    bid.reliability, bid.explanation = aggregation_ean.reliability, {"reason": "Made by hand."}
    bid.status, bid.created_at, bid.updated_at = Bid.Status.PROPOSED, now, now
    return bid


@transaction.atomic
def propose_by_hand(*, bid: Bid, now: datetime, actor: AbstractBaseUser) -> Bid:
    """Save a bid made by hand and take its power from the ledger; it goes out when approved.

    The operator vouches that the group can deliver it: what is offered counts as sellable. Raises `ValidationError`
    with the product rule it breaks, `django.db.IntegrityError` when the power is already sold.
    """
    AggregationEan.objects.select_for_update().get(pk=bid.aggregation_ean_id)
    bid.full_clean()
    bid.save()
    _commit(bid=bid, ptus=ptu_range(Interval(bid.starts_at, bid.ends_at)), sellable_w=bid.power_w, now=now)
    audit.record(now=now, action="bidding.bid.proposed", subject=bid, actor=actor, after={"power_w": bid.power_w})
    return bid


@transaction.atomic
def approve(*, bid_id: int, exchange: Exchange, now: datetime, actor: AbstractBaseUser, reason: str = "") -> Bid:
    """Let a proposed bid go to the exchange. Raises `NotInState` or `GateClosed`."""
    bid = Bid.objects.select_for_update(of=("self",)).select_related("aggregation_ean").get(pk=bid_id)
    _approve(bid=bid, exchange=exchange, now=now, actor=actor, reason=reason)
    return bid


@transaction.atomic
def refuse(*, bid_id: int, now: datetime, actor: AbstractBaseUser, reason: str) -> Bid:
    """Drop a proposed bid and free its power. Raises `NotInState`."""
    bid = Bid.objects.select_for_update().get(pk=bid_id)
    _require(bid, Bid.Status.PROPOSED)
    _end(bid=bid, status=Bid.Status.REFUSED, now=now, reason=reason)
    audit.record(now=now, action="bidding.bid.refused", subject=bid, actor=actor, reason=reason)
    return bid


@transaction.atomic
def withdraw(*, bid_id: int, exchange: Exchange, now: datetime, actor: AbstractBaseUser, reason: str) -> Bid:
    """Ask the exchange to take the uncleared part of an order out of its book; what is cleared stays a duty.

    The bid ends when the exchange confirms. Raises `NotInState`.
    """
    bid = Bid.objects.select_for_update().get(pk=bid_id)
    _require(bid, Bid.Status.SUBMITTED)
    enqueue(
        now=now,
        channel=CHANNEL,
        conversation=str(bid.reference),
        idempotency_key=f"withdraw-{bid.reference}",
        method="DELETE",
        url=exchange.order_url(bid.exchange_order_id),
        headers={},
        body=b"",
        deadline_at=gate_closes_at(Interval(bid.starts_at, bid.ends_at)),
    )
    audit.record(now=now, action="bidding.bid.withdrawal-asked", subject=bid, actor=actor, reason=reason)
    return bid


@transaction.atomic
def mark_submitted(*, reference: str, exchange_order_id: str, now: datetime) -> None:
    """Note that the exchange has the order; harmless when already noted."""
    bid = Bid.objects.select_for_update().get(reference=reference)
    if bid.status != Bid.Status.APPROVED:
        return
    bid.status, bid.exchange_order_id, bid.updated_at = Bid.Status.SUBMITTED, exchange_order_id, now
    bid.save(update_fields=["status", "exchange_order_id", "updated_at"])
    audit.record(now=now, action="bidding.bid.submitted", subject=bid, after={"order": exchange_order_id})


@transaction.atomic
def mark_failed(*, reference: str, reason: str, now: datetime) -> None:
    """Note that the exchange did not take the order, and free its power."""
    bid = Bid.objects.select_for_update().get(reference=reference)
    if bid.status != Bid.Status.APPROVED:
        return
    _end(bid=bid, status=Bid.Status.FAILED, now=now, reason=reason)
    audit.record(now=now, action="bidding.bid.failed", subject=bid, reason=reason)


def release_commitments(*, bid: Bid, now: datetime, keep_w: int = 0) -> None:
    """Give back to the ledger what the market did not take; the caller holds the bid's lock."""
    living = Commitment.objects.filter(bid=bid, released_at__isnull=True)
    if keep_w:
        living.filter(power_w__gt=keep_w).update(power_w=keep_w)
    else:
        living.update(released_at=now)


def _without_called(sized: SizedWindow, group: AggregationEan, called_power_w: int) -> SizedWindow:
    """Return what is left to offer beside the power that contracts already called in the window."""
    left_w = max(sized.sellable_w - called_power_w, 0)
    if called_power_w == 0 or sized.bid_w <= left_w:
        return sized
    bid_w = left_w // group.bid_step_w * group.bid_step_w
    if bid_w >= group.min_bid_w:
        return replace(sized, bid_w=bid_w)
    reason = (
        f"Contracts hold {called_power_w / 1000:,.0f} kW in this window; beside that, less than the product's minimum "
        f"of {group.min_bid_w / 1000:,.0f} kW is left of {sized.sellable_w / 1000:,.0f} kW."
    )
    return replace(sized, bid_w=0, reason=reason)


def _commit(*, bid: Bid, ptus: Sequence[datetime], sellable_w: int, now: datetime) -> None:
    """Reserve the bid's power in every PTU."""
    entries = locked_entries(
        aggregation_ean=bid.aggregation_ean, direction=bid.direction, ptus=ptus, sellable_w=sellable_w
    )
    # A newer sizing replaces the older one, but never undercuts what is already promised.
    LedgerEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(
        sellable_w=Greatest(F("committed_w"), sellable_w)
    )
    Commitment.objects.bulk_create(
        Commitment(entry=entry, bid=bid, power_w=bid.power_w, committed_at=now) for entry in entries
    )


def _approve(*, bid: Bid, exchange: Exchange, now: datetime, actor: AbstractBaseUser | None, reason: str) -> None:
    _require(bid, Bid.Status.PROPOSED)
    period = Interval(bid.starts_at, bid.ends_at)
    gate = gate_closes_at(period)
    if now >= gate:
        raise GateClosed(f"The exchange takes orders for this window until {gate.isoformat()}; that has passed.")
    bid.status, bid.updated_at = Bid.Status.APPROVED, now
    bid.save(update_fields=["status", "updated_at"])
    order = Order(
        reference=str(bid.reference),
        participant_id=exchange.participant_id,
        ean=bid.aggregation_ean_id,
        direction=as_literal(bid.direction),
        period=period,
        power_w=bid.power_w,
        price_eur_per_mwh=Decimal(bid.price_eur_per_mwh),
    )
    enqueue(
        now=now,
        channel=CHANNEL,
        conversation=str(bid.reference),
        idempotency_key=f"order-{bid.reference}",
        method="POST",
        url=exchange.orders_url,
        headers={"Content-Type": "application/json"},
        body=order_body(order),
        deadline_at=gate,
    )
    audit.record(now=now, action="bidding.bid.approved", subject=bid, actor=actor, reason=reason)


def _end(*, bid: Bid, status: Bid.Status, now: datetime, reason: str) -> None:
    bid.status, bid.status_reason, bid.updated_at = status, reason, now
    bid.save(update_fields=["status", "status_reason", "updated_at"])
    release_commitments(bid=bid, now=now)


def _require(bid: Bid, status: Bid.Status) -> None:
    if bid.status != status:
        raise NotInState(f"The bid is “{bid.get_status_display()}”, not “{status.label}”. Reload the page to see why.")
