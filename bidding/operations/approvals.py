"""Who lets a bid go out: a mandate, one person, or two. Each function is one act in one transaction."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Abs, Extract

from aggregator.core import audit
from aggregator.core.interval import Interval
from aggregator.core.money import CENT
from aggregator.core.ptu import MARKET_ZONE, PTU, PTU_SECONDS, day_interval, dutch_time, ptu_range
from assets.models import AggregationEan
from bidding.autonomy import Limits, Standing, standing
from bidding.markets.exchange.venue import Venue
from bidding.models import Bid, Commitment, Mandate
from bidding.operations.ledger import locked_group, release_commitments, why_not_against
from bidding.operations.market_messages import enqueue_request, order_of

WATT_SECONDS_PER_MWH = 3_600_000_000


class GateClosed(RuntimeError):
    """The window starts too soon for the exchange to take an order, or to clear it."""


class NotInState(RuntimeError):
    """The bid is not where this act can start from, often because somebody was quicker."""


class AnotherPersonNeeded(RuntimeError):
    """This person already stands behind the bid; a bid of its size needs two."""


class SoldTheOtherWay(RuntimeError):
    """Since the bid was made the group was called the other way: each would take away what the other brings."""


@transaction.atomic
def approve(*, bid_id: int, exchange: Venue, now: datetime, actor: AbstractBaseUser, reason: str = "") -> Bid:
    """Stand behind a proposed bid; it goes to the exchange when enough people do.

    Raises `NotInState`, `GateClosed`, `SoldTheOtherWay` or `AnotherPersonNeeded`.
    """
    group = locked_group(Bid.objects.values_list("aggregation_ean_id", flat=True).get(pk=bid_id))
    bid = Bid.objects.select_for_update().get(pk=bid_id)
    require(bid, Bid.Status.PROPOSED)
    require_time(bid=bid, exchange=exchange, now=now)
    ptus = ptu_range(Interval(bid.starts_at, bid.ends_at))
    if against := why_not_against(aggregation_ean=group, direction=bid.direction, ptus=ptus):
        raise SoldTheOtherWay(f"{against} Refuse this bid.")
    # A mandate that became stricter since the bid was made counts; one that became looser does not.
    asked_now = judge(bid=bid, autonomy=group.autonomy, now=now).people
    bid.people_needed = max(bid.people_needed, asked_now, 1)
    if bid.people_needed > 1 and actor.pk in {bid.proposed_by_id, bid.first_approver_id}:
        raise AnotherPersonNeeded("You already stand behind this bid. One of its size needs another person: ask one.")
    if bid.first_approver_id is None:
        bid.first_approver_id = actor.pk
    else:
        bid.second_approver_id = actor.pk
    behind = {bid.first_approver_id, bid.second_approver_id, bid.proposed_by_id} - {None}
    bid.updated_at = now
    bid.save(update_fields=["people_needed", "first_approver", "second_approver", "updated_at"])
    if len(behind) < bid.people_needed:
        audit.record(now=now, action="bidding.bid.approved-by-one", subject=bid, actor=actor, reason=reason)
    else:
        send_out(bid=bid, exchange=exchange, now=now, actor=actor, reason=reason)
    return bid


@transaction.atomic
def refuse(*, bid_id: int, now: datetime, actor: AbstractBaseUser, reason: str) -> Bid:
    """Drop a proposed bid and free its power. Raises `NotInState`."""
    bid = Bid.objects.select_for_update().get(pk=bid_id)
    require(bid, Bid.Status.PROPOSED)
    end(bid=bid, status=Bid.Status.REFUSED, now=now, reason=reason)
    audit.record(now=now, action="bidding.bid.refused", subject=bid, actor=actor, reason=reason)
    return bid


@transaction.atomic
def lapse(*, bid_id: int, gate: timedelta, now: datetime) -> None:
    """End a proposed bid that nobody approved in time, and free its power; harmless when it is decided upon."""
    bid = Bid.objects.select_for_update().get(pk=bid_id)
    if bid.status != Bid.Status.PROPOSED or now < bid.starts_at - gate:
        return
    people = sum(one is not None for one in (bid.first_approver_id, bid.proposed_by_id))
    reason = f"The gate closed with {people} of the {max(bid.people_needed, 1)} people behind it that it needs."
    end(bid=bid, status=Bid.Status.LAPSED, now=now, reason=reason)
    audit.record(now=now, action="bidding.bid.lapsed", subject=bid, reason=reason)


def judge(*, bid: Bid, autonomy: str, now: datetime) -> Standing:
    """Return how many people a bid needs under its group's mandate; the caller holds the group's or the bid's lock."""
    others_eur = _worth_of_others(bid.aggregation_ean_id, bid.starts_at, but=bid.pk)
    mandate = _mandate(bid.aggregation_ean_id, now)
    return _standing(autonomy, mandate, power_w=bid.power_w, worth_eur=worth(bid), others_eur=others_eur, now=now)


def automatic_part_w(
    *, aggregation_ean: AggregationEan, ptu_start: datetime, power_w: int, price_eur_per_mwh: Decimal, now: datetime
) -> tuple[int, str]:
    """Return how much of what a group could offer as balancing energy goes out without a person, or why nothing does.

    The caller holds the group's lock.
    """
    mandate = _mandate(aggregation_ean.pk, now)
    part_w = min(power_w, mandate.automatic_up_to_w) if mandate else power_w
    worth_eur = _worth_eur(part_w, PTU, price_eur_per_mwh)
    others_eur = _worth_of_others(aggregation_ean.pk, ptu_start)
    decision = _standing(
        aggregation_ean.autonomy, mandate, power_w=part_w, worth_eur=worth_eur, others_eur=others_eur, now=now
    )
    if decision.people:
        return 0, decision.reason
    return part_w, "" if part_w else "The mandate lets nothing out by itself."


def worth(bid: Bid) -> Decimal:
    """Return a bid's energy times its price without sign, in cents: what is at stake when nothing is delivered."""
    return _worth_eur(bid.power_w, bid.ends_at - bid.starts_at, bid.price_eur_per_mwh)


def _worth_eur(power_w: int, length: timedelta, price_eur_per_mwh: Decimal) -> Decimal:
    watt_seconds = power_w * int(length.total_seconds())
    return (Decimal(watt_seconds) * abs(price_eur_per_mwh) / WATT_SECONDS_PER_MWH).quantize(CENT)


def require_time(*, bid: Bid, exchange: Venue, now: datetime) -> None:
    """Raise `GateClosed` when an order placed now would not be taken, or not stand long enough to be cleared."""
    closes_at = bid.starts_at - exchange.gate
    if now >= closes_at:
        raise GateClosed(
            f"The exchange takes orders for this window until {dutch_time(closes_at)} Dutch time; that has passed. "
            "Bid for a later window; this bid lapses by itself."
        )
    if now >= closes_at - exchange.minimum_dwell:
        raise GateClosed(
            f"An order must stand in the book for {exchange.minimum_dwell}; the gate closes sooner. "
            "Bid for a later window; this bid lapses by itself."
        )


def send_out(*, bid: Bid, exchange: Venue, now: datetime, actor: AbstractBaseUser | None, reason: str) -> None:
    """Put the order of an approved bid in the outbox, in the caller's transaction."""
    bid.status, bid.updated_at = Bid.Status.APPROVED, now
    bid.save(update_fields=["status", "updated_at"])
    enqueue_request(
        bid=bid,
        purpose="order",
        key=str(bid.reference),
        request=exchange.placing(order_of(bid, exchange)),
        closes_at=bid.starts_at - exchange.gate,
        now=now,
    )
    audit.record(now=now, action="bidding.bid.approved", subject=bid, actor=actor, reason=reason)


def end(*, bid: Bid, status: Bid.Status, now: datetime, reason: str) -> None:
    """End a bid that sold nothing, and free its power; the caller holds its lock."""
    bid.status, bid.status_reason, bid.updated_at = status, reason, now
    bid.save(update_fields=["status", "status_reason", "updated_at"])
    release_commitments(bid=bid, now=now)


def require(bid: Bid, *states: Bid.Status) -> None:
    """Raise `NotInState` unless the bid is in one of the states."""
    if bid.status not in states:
        wanted = " or ".join(f"“{state.label}”" for state in states)
        raise NotInState(f"The bid is “{bid.get_status_display()}”, not {wanted}. Reload the page to see why.")


def _limits(mandate: Mandate) -> Limits:
    starts, ends = mandate.automatic_from, mandate.automatic_until
    return Limits(
        automatic_up_to_w=mandate.automatic_up_to_w,
        automatic_up_to_eur=mandate.automatic_up_to_eur,
        automatic_hours=(starts, ends) if starts and ends else None,
        two_people_above_w=mandate.two_people_above_w,
        two_people_above_eur=mandate.two_people_above_eur,
    )


def _standing(
    autonomy: str, mandate: Mandate | None, *, power_w: int, worth_eur: Decimal, others_eur: Decimal, now: datetime
) -> Standing:
    return standing(
        autonomy=autonomy,  # type: ignore[arg-type]  # the model's choices are these literals
        limits=_limits(mandate) if mandate else None,
        power_w=power_w,
        worth_eur=worth_eur,
        day_worth_eur=worth_eur + others_eur,
        local_time=now.astimezone(MARKET_ZONE).time(),
    )


def _mandate(ean: str, now: datetime) -> Mandate | None:
    return Mandate.objects.filter(aggregation_ean=ean, active_from__lte=now).order_by("-active_from").first()


def _worth_of_others(ean: str, starts_at: datetime, *, but: int | None = None) -> Decimal:
    """Return the worth of a group's living bids, and parts of balancing bids, for the same delivery day."""
    day = day_interval(starts_at.astimezone(MARKET_ZONE).date())
    bids = (
        Bid.objects.filter(aggregation_ean=ean, starts_at__gte=day.starts_at, starts_at__lt=day.ends_at)
        .exclude(pk__in=[] if but is None else [but])
        .exclude(status__in=[*Bid.ENDED_UNSOLD, Bid.Status.NOT_CLEARED])
    )
    parts = Commitment.objects.filter(
        balancing_bid__isnull=False,
        released_at__isnull=True,
        entry__aggregation_ean=ean,
        entry__ptu_start__gte=day.starts_at,
        entry__ptu_start__lt=day.ends_at,
    )
    seconds = Extract(F("ends_at") - F("starts_at"), "epoch")
    of_bids = bids.aggregate(sum=Sum(F("power_w") * Abs(F("price_eur_per_mwh")) * seconds))["sum"] or 0
    of_parts = parts.aggregate(sum=Sum(F("power_w") * Abs(F("balancing_bid__price_eur_per_mwh"))))["sum"] or 0
    total = Decimal(of_bids) + Decimal(of_parts) * PTU_SECONDS
    return (total / WATT_SECONDS_PER_MWH).quantize(CENT)
