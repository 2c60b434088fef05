"""Bid duty: what a bidding contract asks, and answering for whoever did not answer in time."""

from datetime import datetime, timedelta

from django.db import transaction

from aggregator.core.models import Job
from assets.models import AggregationEan
from bidding.models import Announcement, Bid, BidDutyContract, NoBid
from bidding.operations.approvals import lapse
from bidding.operations.ledger import locked_group
from bidding.queries import contracted_but_not_named, groups_asked, is_answered, newest_announcements

SIZING_JOB = "size bid"
LOOKS_BACK = timedelta(days=7)
"""Announcements whose gate closed longer ago are left: a service that was down for a week has other worries."""


def sizing_key(announcement: Announcement, aggregation_ean: AggregationEan) -> str:
    """Return the key of the job that sizes a group's answer."""
    return f"{announcement.external_id} {aggregation_ean.ean}"


def contract_id_for(*, aggregation_ean: AggregationEan, instant: datetime) -> str:
    """Return the bidding contract that covers a delivery; empty when there is none."""
    contracts = BidDutyContract.objects.filter(aggregation_ean=aggregation_ean).order_by("active_from", "pk")
    return next((contract.contract_id for contract in contracts if contract.covers(instant)), "")


def close_gates(*, gate: timedelta, now: datetime) -> int:
    """Write down, for every announcement whose gate has closed, why a group did not bid; return how many.

    Proposed bids lapse. Whatever failed before - sizing, a worker, a person - leaves a reason here.
    """
    late = Bid.objects.filter(status=Bid.Status.PROPOSED, starts_at__lte=now + gate)
    for bid_id in late.values_list("pk", flat=True):
        lapse(bid_id=bid_id, gate=gate, now=now)
    closed = list(newest_announcements().filter(starts_at__gt=now - LOOKS_BACK, starts_at__lte=now + gate))
    asked = [(announcement, group) for announcement, groups in groups_asked(closed).items() for group in groups]
    return sum(
        _answer_for(announcement=announcement, group=group, now=now)
        for announcement, group in asked + contracted_but_not_named(closed)
    )


@transaction.atomic
def _answer_for(*, announcement: Announcement, group: AggregationEan, now: datetime) -> bool:
    locked_group(group.pk)
    if is_answered(announcement=announcement, aggregation_ean=group):
        return False
    NoBid.objects.create(
        announcement=announcement,
        aggregation_ean=group,
        reason=_why_not(announcement, group),
        contract_id=contract_id_for(aggregation_ean=group, instant=announcement.starts_at),
        decided_at=now,
    )
    return True


def _why_not(announcement: Announcement, group: AggregationEan) -> str:
    if announcement.is_withdrawn:
        return "The announcement was withdrawn before an answer was ready."
    if announcement.helping_eans is not None and group.pk not in announcement.helping_eans:
        return f"GOPACS does not name EAN {group.pk} among those that help during all of the announcement."
    finished = Job.objects.filter(
        kind=SIZING_JOB,
        key=sizing_key(announcement, group),
        status__in=[Job.Status.FAILED, Job.Status.DONE],
        started_at__gte=announcement.known_at,  # an earlier one was about what the announcement said before
    ).order_by("-started_at")
    if (last := finished.first()) and last.status == Job.Status.FAILED:
        return f"Sizing failed: {last.error}"
    if last:
        return f"No answer was ready before the gate closed: {last.summary}"
    if group.autonomy == AggregationEan.Autonomy.MANUAL:
        return "No operator made a bid before the gate closed."
    return "No answer was ready before the gate closed: nobody sized it in time."
