"""What was promised and what was kept."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from aggregator.operator.panels.cells import cell, list_of, table
from bidding.models import Activation, Bid
from bidding.optimisation.track_record import TrackRecord, track_records
from bidding.track_record import placed_bids, replayed_bids

SHOWN = timedelta(days=365)
KEPT_HEADERS = "#Promised,#Windows,#Days,#Kept,#Share kept,95 % interval,#Mean kW"


def record(*, now: datetime) -> dict[str, Any]:
    """Return how promises of the last year were kept, by the reliability that was promised: called ones, and all."""
    called = track_records(bid.tally for bid in placed_bids(since=now - SHOWN))
    replayed = track_records(bid.tally for bid in replayed_bids(since=now - SHOWN))
    return {
        "list": list_of(Activation, "is_kept__isnull=False"),
        "table": table("Promised and kept", KEPT_HEADERS, [record_row(one) for one in called]),
        "sentences": [one.sentence() for one in called],
        "replayed": table("Promised, and kept in hindsight", KEPT_HEADERS, [record_row(one) for one in replayed]),
        "attention": [
            *_attention("Bids are kept less often than promised", called, list_of(Activation, "is_kept__exact=0")),
            *_attention(
                "Bids, called or not, would have been kept less often than promised",
                replayed,
                list_of(Bid, "capacity_w__isnull=False"),
            ),
        ],
    }


def record_row(one: TrackRecord) -> list[dict[str, str]]:
    """Return a row under `KEPT_HEADERS`."""
    low, high = one.interval
    return [
        cell(f"{one.promised:.1%}"),
        cell(f"{one.bids:,}"),
        cell(f"{one.days:,}"),
        cell(f"{one.kept:,}"),
        cell(f"{one.kept_share or 0:.1%}", tone="bad" if one.is_below_promise else "good"),
        cell(f"{low:.1%} to {high:.1%}"),
        cell(f"{one.mean_bid_kw:,.0f}"),
    ]


def _attention(what: str, records: Iterable[TrackRecord], href: str) -> list[dict[str, str]]:
    return [
        {"text": f"{what}: {one.sentence()}.", "href": href, "tone": "bad"} for one in records if one.is_below_promise
    ]
