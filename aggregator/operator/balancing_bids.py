"""What was offered to TenneT for each quarter hour, what became of it, and why there is no more."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Prefetch

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, ptu_range
from aggregator.core.words import counted
from aggregator.operator.display import euros, kilo, moment
from aggregator.operator.panels.cells import cell, list_of, page_of, table
from assets.models import AggregationEan
from bidding.markets.afrr.terms import WATT_PER_MEGAWATT
from bidding.models import BalancingBid, Commitment, Direction
from bidding.operations.balancing_notes import Note, notes
from bidding.services import afrr_terms, missing_to_sell_balancing

WAYS = {Direction.REDUCE: "up", Direction.INCREASE: "down"}
TONES = {
    BalancingBid.Status.STANDS: "good",
    BalancingBid.Status.UNKNOWN: "warn",
    BalancingBid.Status.REFUSED: "bad",
    BalancingBid.Status.NOT_SENT: "bad",
}
HEADERS = "#From,Way,#MW,#Per MWh,What became of it,Parts of groups,Groups without a part"

Cell = dict[str, str]


def whether_it_is_sold(groups: Sequence[AggregationEan]) -> str:
    """Return in a sentence whether balancing energy is offered, or what is missing for that."""
    offering = sum(group.offers_balancing for group in groups)
    up_mw, down_mw = settings.AFRR_MOST_UP_MW, settings.AFRR_MOST_DOWN_MW
    if missing := missing_to_sell_balancing():
        return f"Nothing is offered. Not set: {', '.join(missing)}."
    if not up_mw and not down_mw:
        return "Nothing is offered: AFRR_MOST_UP_MW and AFRR_MOST_DOWN_MW, what TenneT lets us bid, are 0."
    if not offering:
        return "Nothing is offered: no group is ticked “Offers balancing”."
    sellers = counted(offering, "group", "groups")
    return f"Offered by itself, from {sellers}: at most {up_mw} MW up and {down_mw} MW down."


def bids_section(period: Interval, *, now: datetime) -> dict[str, Any]:
    """Return the tables of bids for what is to come and for what was (3 queries)."""
    parts = Commitment.objects.select_related("entry__aggregation_ean").order_by("entry__aggregation_ean__name", "pk")
    found = BalancingBid.objects.filter(ptu_start__gte=period.starts_at, ptu_start__lt=period.ends_at)
    bids: dict[tuple[datetime, str], list[BalancingBid]] = {}
    for bid in found.prefetch_related(Prefetch("commitments", queryset=parts)).order_by("-pk"):
        bids.setdefault((bid.ptu_start, bid.direction), []).append(bid)
    keys = [(ptu, direction) for ptu in reversed(ptu_range(period)) for direction in WAYS]
    noted = notes(keys)
    rows = [
        (ptu, row)
        for ptu, direction in keys
        for note in [noted.get((ptu, direction))]
        for row in (
            [_bid_row(bid, note) for bid in bids.get((ptu, direction), [])]
            or ([_no_bid_row(ptu, direction, note)] if note else [])
        )
    ]
    return {
        "coming": table("Bids to come", HEADERS, [row for ptu, row in rows if ptu + PTU > now]),
        "past": table("Bids of the last day", HEADERS, [row for ptu, row in rows if ptu + PTU <= now]),
        "all": list_of(BalancingBid),
    }


def _bid_row(bid: BalancingBid, note: Note | None) -> list[Cell]:
    status = BalancingBid.Status(bid.status)
    words = f"{status.label}; asked to take it back" if bid.take_back_asked_at and _lives(status) else status.label
    parts = "; ".join(f"{part.entry.aggregation_ean.name} {kilo(part.power_w)} kW" for part in bid.commitments.all())
    return [
        cell(moment(bid.ptu_start)[5:], href=page_of(bid)),
        cell(WAYS[Direction(bid.direction)]),
        cell(str(bid.power_w // WATT_PER_MEGAWATT)),
        cell(_price(bid)),
        cell(words, tone=TONES.get(status, ""), note=bid.status_reason),
        cell(parts),
        cell(_without(note)),
    ]


def _no_bid_row(ptu: datetime, direction: str, note: Note) -> list[Cell]:
    return [
        cell(moment(ptu)[5:]),
        cell(WAYS[Direction(direction)]),
        cell("0"),
        cell(""),
        cell("No bid", note=_why_none(note)),
        cell(""),
        cell(_without(note)),
    ]


def _lives(status: BalancingBid.Status) -> bool:
    return status in BalancingBid.MAY_BE_CALLED


def _price(bid: BalancingBid) -> str:
    """Return who pays: above zero a price is paid to us for consuming less, and by us for consuming more."""
    is_ours = (bid.price_eur_per_mwh >= 0) == (bid.direction == Direction.REDUCE)
    return f"we {'get' if is_ours else 'pay'} {euros(abs(bid.price_eur_per_mwh))}"


def _why_none(note: Note) -> str:
    if not note.prequalified_mw:
        return "TenneT lets us bid none this way"
    least_mw = afrr_terms().minimum_power_w // WATT_PER_MEGAWATT
    return f"{note.offered_w / WATT_PER_MEGAWATT:.3g} MW of the {least_mw} MW that a bid needs"


def _without(note: Note | None) -> str:
    return "; ".join(f"{name}: {reason.rstrip('.')}" for name, reason in note.stay_out.items()) if note else ""
