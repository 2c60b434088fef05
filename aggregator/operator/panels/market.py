"""What is asked, offered and sold."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.conf import settings
from django.urls import reverse

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, ptu_range
from aggregator.operator import queries
from aggregator.operator.charts import BLUE, GREEN, GREY, ORANGE, Series, chart
from aggregator.operator.display import (
    MISSING,
    clock_time,
    clock_times,
    duration,
    euros,
    kilo,
    period,
    shortened,
)
from aggregator.operator.panels.cells import blank, cell, kw_or_gap, list_of, page_of, table, until
from aggregator.operator.queries import Answer, GroupLedger, OpenAnnouncement
from assets.models import AggregationEan
from bidding.models import Announcement, Bid, BidDutyContract, Direction, LedgerEntry
from bidding.queries import OpenDuty, bids_nobody_knows_of, open_duties

SOON = timedelta(minutes=30)


def announcements(*, now: datetime) -> dict[str, Any]:
    """Return the open calls for redispatch with what each group answered."""
    found = queries.open_announcements(now)
    to_approve = [
        (call, answer)
        for call in found
        for answer in call.answers
        if answer.bid and answer.bid.status == Bid.Status.PROPOSED and now < call.gate_closes_at
    ]
    return {
        "list": list_of(Announcement),
        "bids": list_of(Bid),
        "calls": [_call(call, now) for call in found],
        "attention": [
            {
                "text": f"{answer.group}: a bid of {kilo(answer.bid.power_w)} kW waits for {_people(answer.bid)}, "
                f"{until(call.gate_closes_at, now)} before the gate closes.",
                "href": page_of(answer.bid),
                "tone": "bad" if call.gate_closes_at - now < SOON else "warn",
            }
            for call, answer in to_approve
            if answer.bid
        ]
        + _orders_nobody_knows_of(now),
    }


def _orders_nobody_knows_of(now: datetime) -> list[dict[str, str]]:
    gate, in_flight = settings.EXCHANGE_GATE, settings.EXCHANGE_IN_FLIGHT
    return [
        {
            "text": f"{bid.aggregation_ean.name}: nobody knows whether the exchange has the order of "
            f"{kilo(bid.power_w)} kW for {period(bid.starts_at, bid.ends_at)}. It is not sent again, as it may still "
            f"arrive and the gate {_gate(bid.starts_at - gate, now)}. Call the exchange and ask for our reference "
            f"{bid.reference}: if it has the order, that is a duty, also where this page does not show it. The power "
            "stays sold until it is known.",
            "href": page_of(bid),
            "tone": "bad",
        }
        for bid in bids_nobody_knows_of(gate=gate, in_flight=in_flight, now=now)
    ]


def _gate(closes_at: datetime, now: datetime) -> str:
    return f"closes in {duration(closes_at - now)}" if now < closes_at else f"closed at {clock_time(closes_at)}"


def _people(bid: Bid) -> str:
    """Return whose approval a proposed bid waits for."""
    if bid.people_needed <= 1:
        return "your approval"
    return "a second person" if bid.first_approver_id or bid.proposed_by_id else "two people"


def duties(*, now: datetime) -> dict[str, Any]:
    """Return the announcements that contracted groups must still answer, most pressing first."""
    found = open_duties(gate=settings.EXCHANGE_GATE, now=now)
    return {
        "list": list_of(BidDutyContract),
        "table": table(
            "Bid duties, the first to close on top",
            "Group,Contract,Announcement,Window,Gate closes in,State",
            [_duty(duty, now) for duty in found],
        ),
        "attention": [
            {
                "text": f"{duty.group.name} must answer announcement {duty.announcement.external_id} under contract "
                f"{duty.contract_id}, {until(duty.closes_at, now)} before the gate closes.",
                "href": page_of(duty.announcement),
                "tone": "bad",
            }
            for duty in found
            if duty.waiting_bid is None and duty.closes_at - now < SOON
        ],
    }


def _duty(duty: OpenDuty, now: datetime) -> list[dict[str, str]]:
    announcement = duty.announcement
    waiting = duty.waiting_bid
    return [
        cell(duty.group.name, href=reverse("admin:assets_aggregationean_change", args=[duty.group.ean])),
        cell(duty.contract_id),
        cell(announcement.external_id, href=page_of(announcement)),
        cell(period(announcement.starts_at, announcement.ends_at)),
        cell(duration(duty.closes_at - now), tone="bad" if duty.closes_at - now < SOON else "warn"),
        cell(f"Bid of {kilo(waiting.power_w)} kW waits for {_people(waiting)}", href=page_of(waiting), tone="warn")
        if waiting
        else cell("No answer yet", tone="bad"),
    ]


def _call(call: OpenAnnouncement, now: datetime) -> dict[str, Any]:
    announcement = call.announcement
    gate_is_open = now < call.gate_closes_at
    return {
        "title": f"{announcement.congestion_area or 'Outside our areas'}: "
        f"{announcement.get_direction_display().lower()}",
        "href": page_of(announcement),
        "period": period(announcement.starts_at, announcement.ends_at),
        "wanted": f"{kilo(max(announcement.required_power_w, default=0))} kW at most",
        "gate": _gate(call.gate_closes_at, now),
        "is_mandatory": announcement.is_mandatory,
        "answers": table(
            f"Answers of the groups to announcement {announcement.external_id}",
            "Group,Answer,#Offered kW,#Cleared kW,#Price per MWh,Reason",
            [_answer(answer, gate_is_open=gate_is_open) for answer in call.answers],
        ),
    }


_BID_TONES = {
    Bid.Status.PROPOSED: "warn",
    Bid.Status.CLEARED: "good",
    Bid.Status.PARTLY_CLEARED: "good",
    Bid.Status.FAILED: "bad",
    Bid.Status.LAPSED: "bad",
    Bid.Status.SOUGHT: "bad",
    Bid.Status.APPROVED: "info",
    Bid.Status.SUBMITTED: "info",
}


def _answer(answer: Answer, *, gate_is_open: bool) -> list[dict[str, str]]:
    group = cell(answer.group, href=reverse("admin:assets_aggregationean_change", args=[answer.ean]))
    if answer.bid:
        bid = answer.bid
        return [
            group,
            cell(bid.get_status_display(), tone=_BID_TONES.get(Bid.Status(bid.status), ""), href=page_of(bid)),
            cell(kilo(bid.power_w)),
            cell(kilo(bid.cleared_power_w) if bid.cleared_power_w else MISSING),
            cell(euros(bid.price_eur_per_mwh)),
            cell(shortened(_state_words(bid))),
        ]
    if answer.no_bid:
        reason = shortened(answer.no_bid.reason)
        return [group, cell("No bid", href=page_of(answer.no_bid)), *blank(3), cell(reason)]
    if answer.autonomy == AggregationEan.Autonomy.MANUAL:
        words = "This group bids by hand: add a bid." if gate_is_open else "Nobody made a bid before the gate closed."
    else:
        words = "Being sized; the answer comes by itself." if gate_is_open else "The gate closed before an answer."
    return [group, cell("No answer yet", tone="warn" if gate_is_open else "bad"), *blank(3), cell(words)]


def _state_words(bid: Bid) -> str:
    """Return what there is to know of a bid beside its status."""
    if bid.status == Bid.Status.SUBMITTED and bid.is_locked:
        return "The exchange holds its book while it clears."
    if bid.status == Bid.Status.SUBMITTED and bid.withdrawal_asked_at:
        return f"Being withdrawn: {bid.status_reason}"
    return bid.status_reason


def ledger(*, today: Interval) -> dict[str, Any]:
    """Return what each group may sell and has sold in today's PTUs."""
    groups = queries.ledger_of(today)
    ptus = ptu_range(today)
    return {
        "list": list_of(LedgerEntry),
        "groups_list": list_of(AggregationEan),
        "has_groups": bool(groups),
        "groups": [_group(group, ptus) for group in groups if group.sellable_w],
        "idle": [group.name for group in groups if not group.sellable_w],
        "attention": [],
    }


_LEDGER_COLOURS = {Direction.REDUCE: (BLUE, GREY), Direction.INCREASE: (ORANGE, GREEN)}


def _group(group: GroupLedger, ptus: Sequence[datetime]) -> dict[str, Any]:
    directions = [one for one in Direction if any(direction == one for direction, _ in group.sellable_w)]
    series = []
    for direction in directions:
        sold, sellable = _LEDGER_COLOURS[direction]
        name = direction.label.lower()
        series += [
            Series(f"Sold ({name})", [kw_or_gap(group.committed_w.get((direction, ptu))) for ptu in ptus], sold),
            Series(
                f"Can be sold ({name})",
                [kw_or_gap(group.sellable_w.get((direction, ptu))) for ptu in ptus],
                sellable,
                is_line=True,
            ),
        ]
    return {
        "name": group.name,
        "ean": group.ean,
        "href": reverse("admin:assets_aggregationean_change", args=[group.ean]),
        "chart": chart(
            labels=[clock_time(ptu) for ptu in ptus],
            unit="kW",
            series=series,
            description=f"Sold power of {group.name} against what can be sold, per quarter hour of today; "
            "the table below has the same numbers.",
        ),
        "runs": table(
            f"{group.name}: sold and for sale today",
            "Time,Direction,#Sold kW,#Can be sold kW,#Left kW",
            [row for direction in directions for row in _runs(group, direction)],
        ),
    }


def _runs(group: GroupLedger, direction: Direction) -> Iterable[list[dict[str, str]]]:
    """Return table rows: neighbouring PTUs with the same numbers are one row."""
    known = sorted(ptu for one, ptu in group.sellable_w if one == direction)
    numbered = list(enumerate(known))

    def same(item: tuple[int, datetime]) -> tuple[datetime, int, int]:
        number, ptu = item
        return ptu - number * PTU, group.sellable_w[direction, ptu], group.committed_w[direction, ptu]

    for (_, sellable_w, committed_w), run in groupby(numbered, key=same):
        pieces = [ptu for _, ptu in run]
        yield [
            cell(clock_times(pieces[0], pieces[-1] + PTU)),
            cell(direction.label),
            cell(kilo(committed_w)),
            cell(kilo(sellable_w)),
            cell(kilo(sellable_w - committed_w)),
        ]
