"""What was promised and what was kept."""

from datetime import datetime, timedelta
from typing import Any

from aggregator.operator.panels.cells import cell, list_of, table
from bidding.models import Activation
from bidding.optimisation.track_record import TrackRecord, track_records
from bidding.track_record import placed_bids

SHOWN = timedelta(days=365)


def record(*, now: datetime) -> dict[str, Any]:
    """Return how promises of the last year were kept, by the reliability that was promised."""
    records = track_records(placed_bids(since=now - SHOWN))
    return {
        "list": list_of(Activation, "is_kept__isnull=False"),
        "table": table(
            "Promised and kept",
            "#Promised,#Windows,#Kept,#Share kept,95 % interval,#Mean bid kW",
            [_row(one) for one in records],
        ),
        "sentences": [one.sentence() for one in records],
        "attention": [
            {
                "text": f"Bids are kept less often than promised: {one.sentence()}.",
                "href": list_of(Activation, "is_kept__exact=0"),
                "tone": "bad",
            }
            for one in records
            if one.is_below_promise
        ],
    }


def _row(one: TrackRecord) -> list[dict[str, str]]:
    low, high = one.interval
    return [
        cell(f"{one.promised:.1%}"),
        cell(f"{one.bids:,}"),
        cell(f"{one.kept:,}"),
        cell(f"{one.kept_share or 0:.1%}", tone="bad" if one.is_below_promise else "good"),
        cell(f"{low:.1%} to {high:.1%}"),
        cell(f"{one.mean_bid_kw:,.0f}"),
    ]
