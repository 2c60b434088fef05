"""Why a bid is what it is, for people: from the plain values that sizing stored with it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.template.loader import render_to_string

from aggregator.operator.charts import BLUE, Series, chart
from aggregator.operator.display import euros
from aggregator.operator.panels.cells import cell, table

_POWERS = {
    "absent_kw": "Less is connected than usual, by rating",
    "rated_kw": "Rated power of what is connected",
    "energy_kw": "not available: full, or nothing needed then",
    "departures_kw": "left out so that drivers leave with their energy",
    "pause_floor_kw": "drawn by cars that cannot pause",
    "deliverable_kw": "What is left to deliver",
    "not_yet_arrived_kw": "of that, from cars still to arrive",
}


def priced(price_parts: Mapping[str, Any], price_eur_per_mwh: Decimal) -> str:
    """Return the parts of a price as a table that adds up to it."""
    rows = [
        [cell(str(name).capitalize()), cell(euros(Decimal(amount))), cell(str(how))]
        for name, amount, how in price_parts.get("parts", ())
    ]
    rows.append([cell("Asked"), cell(euros(price_eur_per_mwh)), cell("per MWh, to receive; negative: to pay")])
    return render_to_string("operator/table.html", {"table": table("Price", "Part,#€ per MWh,How", rows)})


def explained(explanation: Mapping[str, Any]) -> str:
    """Return the explanation of a bid as HTML: the sentence, the reliability curve, and what it is made of."""
    curve = explanation.get("curve") or ()
    power = explanation.get("power") or {}
    categories = explanation.get("categories") or ()
    context = {
        "reason": explanation.get("reason", ""),
        "chart": chart(
            labels=[f"{probability:.1%}" for probability, _ in curve],
            series=[Series("Power that holds in every quarter hour", [kw for _, kw in curve], BLUE)],
            unit="kW",
            description="Power against the probability that it holds; the table below has the same numbers.",
        )
        if curve
        else None,
        "tables": [
            table(
                "Power against probability",
                "Probability,#kW",
                [[cell(f"{probability:.1%}"), cell(f"{kw:,.1f}")] for probability, kw in curve],
            ),
            table(
                "From rated to deliverable, in the scenarios that limit the bid",
                "Power,#kW",
                [[cell(words), cell(f"{power[name]:,.1f}")] for name, words in _POWERS.items() if name in power],
            ),
            table(
                "Who carries it",
                "Category,#Connected kW,#Still to arrive kW",
                [
                    [
                        cell(str(one["name"]).replace("_", " ")),
                        cell(f"{one['plugged_in_kw']:,.1f}"),
                        cell(f"{one['arrivals_kw']:,.1f}"),
                    ]
                    for one in categories
                ],
            ),
            table("What the record says", "Correction,#Value", _margin_rows(explanation)),
        ],
        "standing": explanation.get("standing", ""),
        "drivers": drivers_in_words(explanation["drivers"]) if "drivers" in explanation else "",
        "basis": f"{explanation['scenarios']} scenarios from {explanation['past_days']} past days"
        if {"scenarios", "past_days"} <= explanation.keys()
        else "",
    }
    return render_to_string("operator/explanation.html", context)


def drivers_in_words(drivers: Mapping[str, Any]) -> str:
    """Return what drivers of a group missed when it was called, and how much risk that leaves, as sentences."""
    limit = f"a car only while the risk that it leaves before it could catch up is at most {drivers['most_risk']:.0%}"
    if drivers["missed_share"] is None:
        return f"Nothing is known yet of what drivers missed when the group was called. A bid counts on {limit}."
    windows = drivers["windows"]
    return (
        f"Drivers missed {drivers['missed_share']:.2%} of the energy they came for on the last {windows:,} "
        f"{'day' if windows == 1 else 'days'} with a call; promised is less than 0.5%. So a bid counts on {limit}."
    )


def _margin_rows(explanation: Mapping[str, Any]) -> list[list[dict[str, str]]]:
    """Return how outcomes of the past corrected the forecast, and how that went for earlier bids."""
    margin = explanation.get("margin")
    if not margin:
        return []
    earlier = explanation.get("margin_history") or ()
    rows = [
        ("Past windows with a known outcome", f"{margin['windows']:,}"),
        ("of these, with a bid at this level", f"{margin['windows_with_bid']:,}"),
        ("Kept whatever the distribution, by rank among these, at least", f"{margin.get('guaranteed', 0.0):.1%}"),
        ("Realised of what was forecast", f"{margin['realised_share']:.1%}"),
        ("Weight of the forecast against recent outcomes", f"{margin['trust']:.0%}"),
        ("Share of scenarios below the promise, at most", f"{1 - explanation['reliability']:.1%}"),
        ("the same after the correction", f"{margin['miss_share']:.2%}"),
        ("Lowered for broken promises by (standard scores)", f"{margin['drift']:.2f}"),
    ]
    if earlier:
        rows.append((f"Corrected share of the last {len(earlier[-5:])} bids", _in_a_row(earlier[-5:])))
    return [[cell(words), cell(value)] for words, value in rows]


def _in_a_row(shares: Sequence[float]) -> str:
    return ", ".join(f"{share:.2%}" for share in shares)
