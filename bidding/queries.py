"""Reading for bidding and dispatch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Cast

from aggregator.core.http import LONGEST_REQUEST
from aggregator.core.models import DeliveryAttempt
from assets.models import AggregationEan
from bidding.models import (
    Activation,
    Announcement,
    BalancingBid,
    BalancingHeadroom,
    Bid,
    BidDutyContract,
    Commitment,
    NoBid,
    OrderChange,
    SurplusOrder,
)
from bidding.optimisation.balancing import last_call


def newest_announcements() -> QuerySet[Announcement]:
    """Return what is known last of every announcement, soonest first."""
    newest = Announcement.objects.filter(external_id=OuterRef("external_id")).order_by("-revision").values("pk")[:1]
    return (
        Announcement.objects.filter(pk=Subquery(newest)).select_related("congestion_area").order_by("starts_at", "pk")
    )


def announcements_without_eans(*, gate: timedelta, now: datetime) -> list[Announcement]:
    """Return the open announcements in our areas of which we know no EAN that helps, also where GOPACS said none."""
    return list(
        newest_announcements().filter(
            Q(helping_eans__isnull=True) | Q(helping_eans=[]),
            is_open=True,
            starts_at__gt=now + gate,
            congestion_area__isnull=False,
        )
    )


def groups_asked(announcements: Iterable[Announcement]) -> dict[Announcement, list[AggregationEan]]:
    """Return for each announcement the groups that can help, by EAN (1 query).

    Where GOPACS told which of our EANs help, those; else the groups whose congestion area shares a postcode with it.
    """
    groups = _groups_with_postcodes()
    return {
        announcement: [
            group
            for group, postcodes in groups
            if (
                group.pk in announcement.helping_eans
                if announcement.helping_eans is not None
                else postcodes.intersection(announcement.postcodes)
            )
        ]
        for announcement in announcements
    }


def contracted_but_not_named(
    announcements: Iterable[Announcement],
) -> list[tuple[Announcement, AggregationEan]]:
    """Return the groups with a bid duty in an announcement's area whose EAN GOPACS leaves out of those that help."""
    groups, contracts = _groups_with_postcodes(), _bid_duties()
    return [
        (announcement, group)
        for announcement in announcements
        if announcement.helping_eans is not None
        for group, postcodes in groups
        if group.pk not in announcement.helping_eans
        and postcodes.intersection(announcement.postcodes)
        and any(contract.covers(announcement.starts_at) for contract in contracts[group.pk])
    ]


def _groups_with_postcodes() -> list[tuple[AggregationEan, set[str]]]:
    groups = AggregationEan.objects.filter(is_sandbox=False).select_related("congestion_area").order_by("ean")
    return [(group, {code[:4] for code in group.congestion_area.postcodes}) for group in groups]


def announcements_to_answer(*, gate: timedelta, now: datetime) -> list[tuple[Announcement, AggregationEan]]:
    """Return the open announcements, with the groups asked that gave neither a bid nor a reason yet.

    Groups whose operators make each bid are left to them.
    """
    found = groups_asked(newest_announcements().filter(is_open=True, starts_at__gt=now + gate))
    answered = _answered([announcement.external_id for announcement in found])
    return [
        (announcement, group)
        for announcement, groups in found.items()
        for group in groups
        if group.autonomy != AggregationEan.Autonomy.MANUAL
        and (announcement.external_id, announcement.terms, group.pk) not in answered
    ]


def is_answered(*, announcement: Announcement, aggregation_ean: AggregationEan) -> bool:
    """Tell whether a group gave a bid or a reason to an announcement on its present terms."""
    key = (announcement.external_id, announcement.terms, aggregation_ean.pk)
    return key in _answered([announcement.external_id])


def _answered(external_ids: list[str]) -> set[tuple[str, int, str]]:
    names = ("announcement__external_id", "announcement__terms", "aggregation_ean_id")
    of_these = {"announcement__external_id__in": external_ids}
    return {*Bid.objects.filter(**of_these).values_list(*names), *NoBid.objects.filter(**of_these).values_list(*names)}


@dataclass(frozen=True, slots=True)
class OpenDuty:
    """An announcement that a contracted group must still answer before the gate closes at `closes_at`."""

    announcement: Announcement
    group: AggregationEan
    contract_id: str
    waiting_bid: Bid | None
    closes_at: datetime


def open_duties(*, gate: timedelta, now: datetime) -> list[OpenDuty]:
    """Return the duties that are not met yet, most pressing first: no answer, or a bid that waits for approval."""
    found = groups_asked(newest_announcements().filter(is_open=True, starts_at__gt=now + gate))
    external_ids = [announcement.external_id for announcement in found]
    answered = _answered(external_ids)
    waiting = {
        (bid.announcement.external_id, bid.aggregation_ean_id): bid
        for bid in Bid.objects.filter(announcement__external_id__in=external_ids, status=Bid.Status.PROPOSED)
        .select_related("announcement")
        .order_by("pk")
    }
    contracts = _bid_duties()
    return [
        OpenDuty(announcement, group, contract.contract_id, bid, announcement.starts_at - gate)
        for announcement, groups in found.items()
        for group in groups
        for contract in contracts[group.pk]
        if contract.covers(announcement.starts_at)
        for bid in [waiting.get((announcement.external_id, group.pk))]
        if bid or (announcement.external_id, announcement.terms, group.pk) not in answered
    ]


def _bid_duties() -> Mapping[str, list[BidDutyContract]]:
    contracts: dict[str, list[BidDutyContract]] = defaultdict(list)
    for contract in BidDutyContract.objects.order_by("active_from", "pk"):
        contracts[contract.aggregation_ean_id].append(contract)
    return contracts


def bids_on_the_exchange() -> QuerySet[Bid]:
    """Return the bids whose orders can still change, or may have reached the book without our knowing."""
    return Bid.objects.filter(status__in=[Bid.Status.SUBMITTED, Bid.Status.SOUGHT]).order_by("starts_at", "pk")


def bids_perhaps_twice_in_the_book(now: datetime) -> QuerySet[Bid]:
    """Return the bids ahead with a send of unknown fate, a surplus order or a change, whatever became of them.

    An exchange may let another order take the place of one that is changed. Not those that are being looked for anyway.
    """
    lost = DeliveryAttempt.objects.filter(
        may_have_arrived=True, message__conversation=Cast(OuterRef("reference"), CharField())
    )
    surplus = SurplusOrder.objects.filter(bid=OuterRef("pk"))
    changes = OrderChange.objects.filter(bid=OuterRef("pk"))
    return (
        Bid.objects.filter(Exists(lost) | Exists(surplus) | Exists(changes), starts_at__gt=now)
        .exclude(status__in=[Bid.Status.APPROVED, Bid.Status.SOUGHT])
        .order_by("starts_at", "pk")
    )


def bids_nobody_knows_of(*, gate: timedelta, in_flight: timedelta, now: datetime) -> QuerySet[Bid]:
    """Return the bids whose order was sent, may have arrived and is not sent again, the soonest first.

    Before the gate those are the ones whose last send may still arrive at it; one that is under way is none yet.
    """
    under_way = Q(duration_ms__isnull=True, attempted_at__gt=now - LONGEST_REQUEST)
    lost = DeliveryAttempt.objects.exclude(under_way).filter(
        may_have_arrived=True, message__conversation=Cast(OuterRef("reference"), CharField())
    )
    too_late_to_repeat = lost.filter(attempted_at__gte=OuterRef("starts_at") - (gate + in_flight))
    return (
        Bid.objects.filter(
            Q(Exists(lost), status=Bid.Status.SOUGHT) | Q(Exists(too_late_to_repeat), status=Bid.Status.APPROVED)
        )
        .select_related("aggregation_ean")
        .order_by("starts_at", "pk")
    )


def activations_to_dispatch() -> QuerySet[Activation]:
    """Return the activations that are not finished."""
    unfinished = [Activation.Status.ORDERED, Activation.Status.PLANNED, Activation.Status.RUNNING]
    return (
        Activation.objects.filter(status__in=unfinished)
        .select_related("aggregation_ean")
        .order_by(F("starts_at").asc(), "pk")
    )


def groups_to_size_for_balancing(ptu: datetime) -> QuerySet[AggregationEan]:
    """Return the groups that are to be sized for balancing energy and are not yet for a PTU.

    In no fixed order: a round has little time, and one that fails after a long while must not always come first.
    """
    done = BalancingHeadroom.objects.filter(aggregation_ean=OuterRef("pk"), ptu_start=ptu)
    return AggregationEan.objects.filter(~Exists(done), is_sized_for_balancing=True, is_sandbox=False).order_by("?")


def balancing_parts(ptu: datetime) -> QuerySet[Commitment]:
    """Return what each group has in the bids for balancing energy that TenneT may call in a PTU."""
    return (
        Commitment.objects.filter(
            balancing_bid__ptu_start=ptu,
            balancing_bid__status__in=BalancingBid.MAY_BE_CALLED,
            released_at__isnull=True,
        )
        .select_related("balancing_bid", "entry__aggregation_ean")
        .order_by("entry__aggregation_ean", "pk")
    )


def is_time_to_offer_balancing(ptu: datetime, *, gate: timedelta, now: datetime) -> bool:
    """Tell whether all groups that offer balancing energy are sized for a PTU, or no more of them will be in time."""
    if now >= last_call(ptu, gate=gate):
        return True
    sized = BalancingHeadroom.objects.filter(aggregation_ean=OuterRef("pk"), ptu_start=ptu)
    return not AggregationEan.objects.filter(~Exists(sized), offers_balancing=True).exists()
