"""Making bids, and ending those that are not on the exchange. Each function is one act in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from aggregator.core import audit
from aggregator.core.interval import Interval
from aggregator.core.ptu import ptu_range
from assets.models import AggregationEan
from bidding.markets.exchange.venue import Venue
from bidding.models import Announcement, BaselineNomination, Bid, NoBid
from bidding.models.directions import other_way
from bidding.operations.announcements import why_asked_no_more
from bidding.operations.approvals import judge, send_out
from bidding.operations.duties import contract_id_for
from bidding.operations.ledger import commit, locked_group, sold_w, unsettled_bids, why_not_against
from bidding.operations.pricing import NotPriceable, quote
from bidding.queries import is_answered


class AlreadyAnswered(RuntimeError):
    """The group has given its bid or its reason; another worker was quicker."""


class AnnouncementChanged(RuntimeError):
    """What was sized is asked no more, or no more in that way; the text says how."""


class PowerNotBackYet(RuntimeError):
    """A bid that is being withdrawn, or whose gate comes sooner, holds the power; the next round tries again."""


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
    exchange: Venue,
    now: datetime,
) -> Bid | NoBid:
    """Turn a sized window into a bid, or into the recorded reason why there is none.

    The power is taken from the ledger in the same transaction; what is sold there already is not offered, and nothing
    against what is sold the other way. A bid within an automatic group's mandate goes out at once. Raises
    `AlreadyAnswered`, `AnnouncementChanged` when sizing took longer than the announcement stood, or `PowerNotBackYet`.
    """
    if reason := why_asked_no_more(announcement):
        raise AnnouncementChanged(reason)
    group = locked_group(aggregation_ean.pk)
    if is_answered(announcement=announcement, aggregation_ean=group):
        raise AlreadyAnswered(f"{group} has answered announcement {announcement.external_id}.")
    period = Interval(announcement.starts_at, announcement.ends_at)
    ptus = ptu_range(period)
    sized = _without_sold(sized, group, announcement.direction, ptus)
    if sized.bid_w == 0:
        return decline(announcement=announcement, group=group, reason=sized.reason, now=now, why=sized.explanation)
    closes_at = period.starts_at - exchange.gate
    if now >= closes_at - exchange.minimum_dwell:
        reason = "The gate closed before the bid was ready."
        if now < closes_at:
            reason = (
                f"An order must stand in the book for {exchange.minimum_dwell} to be cleared; the gate comes sooner."
            )
        return decline(announcement=announcement, group=group, reason=reason, now=now, why=sized.explanation)
    try:
        asked = quote(aggregation_ean=group, direction=announcement.direction, period=period, now=now)
    except NotPriceable as refusal:
        return decline(announcement=announcement, group=group, reason=str(refusal), now=now, why=sized.explanation)
    bid = _filled_in(Bid(), announcement, group, sized.bid_w, now)
    bid.price_eur_per_mwh, bid.price_parts = asked.price_eur_per_mwh, asked.parts
    decision = judge(bid=bid, autonomy=group.autonomy, now=now)
    bid.explanation = {**sized.explanation, "standing": decision.reason}
    bid.people_needed = decision.people
    bid.save()
    _commit(bid, ptus, sized.sellable_w, now)
    BaselineNomination.objects.bulk_create(
        BaselineNomination(aggregation_ean=group, bid=bid, ptu_start=ptu, power_w=power_w, known_at=now)
        for ptu, power_w in zip(ptus, sized.baseline_w, strict=True)
    )
    audit.record(now=now, action="bidding.bid.proposed", subject=bid, after={"power_w": bid.power_w})
    if decision.people == 0:
        send_out(bid=bid, exchange=exchange, now=now, actor=None, reason=decision.reason)
    return bid


def decline(
    *, announcement: Announcement, group: AggregationEan, reason: str, now: datetime, why: Mapping[str, Any]
) -> NoBid:
    """Write down once why a group does not bid; the caller holds a transaction."""
    refusal, _ = NoBid.objects.get_or_create(
        announcement=announcement,
        aggregation_ean=group,
        defaults={
            "reason": reason,
            "explanation": dict(why),
            "decided_at": now,
            "contract_id": contract_id_for(aggregation_ean=group, instant=announcement.starts_at),
        },
    )
    return refusal


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
    _filled_in(bid, announcement, aggregation_ean, power_w, now)
    bid.price_eur_per_mwh = price_eur_per_mwh
    bid.price_parts = {"parts": [["by hand", str(price_eur_per_mwh), "as the operator asked"]]}
    bid.explanation = {"reason": "Made by hand."}
    return bid


@transaction.atomic
def propose_by_hand(*, bid: Bid, now: datetime, actor: AbstractBaseUser) -> Bid:
    """Save a bid made by hand and take its power from the ledger; it goes out when approved.

    The operator vouches that the group can deliver it: what is offered counts as sellable. Raises `ValidationError`
    with the product rule it breaks, what became of the announcement or what is sold the other way,
    `django.db.IntegrityError` when the power is already sold.
    """
    if reason := why_asked_no_more(bid.announcement):
        raise ValidationError(reason)
    group = locked_group(bid.aggregation_ean_id)
    ptus = ptu_range(Interval(bid.starts_at, bid.ends_at))
    if reason := why_not_against(aggregation_ean=group, direction=bid.direction, ptus=ptus):
        raise ValidationError(reason)
    decision = judge(bid=bid, autonomy=AggregationEan.Autonomy.MANUAL, now=now)
    bid.proposed_by_id, bid.people_needed = actor.pk, decision.people
    bid.explanation = {**bid.explanation, "standing": decision.reason}
    bid.full_clean()
    bid.save()
    _commit(bid, ptus, bid.power_w, now)
    audit.record(now=now, action="bidding.bid.proposed", subject=bid, actor=actor, after={"power_w": bid.power_w})
    return bid


def _filled_in(bid: Bid, announcement: Announcement, group: AggregationEan, power_w: int, now: datetime) -> Bid:
    bid.announcement, bid.aggregation_ean, bid.power_w = announcement, group, power_w
    bid.direction, bid.starts_at, bid.ends_at = announcement.direction, announcement.starts_at, announcement.ends_at
    bid.min_power_w, bid.step_w, bid.reliability = group.min_bid_w, group.bid_step_w, group.reliability
    bid.contract_id = contract_id_for(aggregation_ean=group, instant=announcement.starts_at)
    bid.status, bid.created_at, bid.updated_at = Bid.Status.PROPOSED, now, now
    return bid


def _without_sold(sized: SizedWindow, group: AggregationEan, direction: str, ptus: Sequence[datetime]) -> SizedWindow:
    """Return what is left to offer beside the power that bids and contracts hold in the window."""
    if reason := why_not_against(aggregation_ean=group, direction=direction, ptus=ptus):
        against = unsettled_bids(aggregation_ean=group, direction=other_way(direction), ptus=ptus)
        _await_withdrawal(against, reason)
        _await_gate(against, ptus, reason)
        return replace(sized, bid_w=0, reason=reason)
    held_w = sold_w(aggregation_ean=group, direction=direction, ptus=ptus)
    left_w = max(sized.sellable_w - held_w, 0)
    if held_w == 0 or sized.bid_w <= left_w:
        return sized
    holds = f"Bids and contracts hold {held_w / 1000:,.0f} kW in this window"
    beside = unsettled_bids(aggregation_ean=group, direction=direction, ptus=ptus)
    _await_withdrawal(beside, f"{holds}.")
    bid_w = left_w // group.bid_step_w * group.bid_step_w
    if bid_w >= group.min_bid_w:
        return replace(sized, bid_w=bid_w)
    _await_gate(beside, ptus, f"{holds}.")
    reason = (
        f"{holds}; beside that, less than the product's minimum of {group.min_bid_w / 1000:,.0f} kW is left of "
        f"{sized.sellable_w / 1000:,.0f} kW."
    )
    return replace(sized, bid_w=0, reason=reason)


def _await_withdrawal(unsettled: QuerySet[Bid], holds: str) -> None:
    if unsettled.filter(withdrawal_asked_at__isnull=False).exists():
        raise PowerNotBackYet(
            f"{holds} A bid among them is being withdrawn, and the answer waits until the exchange confirms that."
        )


def _await_gate(unsettled: QuerySet[Bid], ptus: Sequence[datetime], holds: str) -> None:
    if unsettled.filter(starts_at__lt=ptus[0]).exists():
        raise PowerNotBackYet(
            f"{holds} The gate of a bid among them comes sooner, and the answer waits for what that gives back."
        )


def _commit(bid: Bid, ptus: Sequence[datetime], sellable_w: int, now: datetime) -> None:
    commit(to=bid, aggregation_ean=bid.aggregation_ean, ptus=ptus, power_w=bid.power_w, sellable_w=sellable_w, now=now)
