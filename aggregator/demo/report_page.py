"""The demo's report for people: one HTML file that opens from disk, and a summary on the terminal.

Every chart has its numbers in a table beside it. Times are on the Dutch clock.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from django.template import Context, Engine
from plotly.offline import get_plotlyjs
from rich.console import Console
from rich.markup import escape
from rich.table import Table as TerminalTable

from aggregator.demo.report_charts import local, money_chart, power_chart, reliability_chart
from aggregator.demo.report_tables import (
    OUTCOMES,
    announcement_table,
    bid_table,
    call_table,
    conversation_table,
    curve_table,
    delivered_share,
    deliveries_of,
    limit_table,
    money_table,
    percent,
    power_table,
    powers_kw,
    timing_table,
)

_TEMPLATES = Path(__file__).parent / "templates"
Row = Mapping[str, Any]


def write_report_page(*, report: Row, path: Path, extra: Row) -> None:
    """Write the report as one HTML file with everything in it.

    Args:
        report: as `report.build_report` returns it.
        path: the file to write.
        extra: the series of `report_series.page_extra`; without them the page has tables and money only.
    """
    drawn = [*extra.get("bids", ()), *extra.get("calls", ())]
    series = {(row["aggregation_ean"], row["starts_at"]): row for row in drawn}
    names = {row["aggregation_ean"]: row["name"] for row in series.values()}
    context = {
        "title": f"Congestion on {_day(report):%A %d %B %Y}",
        "introduction": (
            "One evening of the demo: congestion was announced, power was offered per aggregation EAN at a chosen "
            "reliability, the market cleared, and one group was called under a contract; the fleet was steered, and "
            "what was delivered was settled on its meter values. The market and the fleet are simulated. All times "
            "are Dutch time."
        ),
        "plotly_js": get_plotlyjs(),
        "tiles": _tiles(report),
        "overview": [announcement_table(report), bid_table(report, names), call_table(report, names)],
        "groups": [
            _group(bid, deliveries_of(report, bid), series[bid["aggregation_ean"], bid["starts_at"]])
            for bid in report["bids"]
            if (bid["aggregation_ean"], bid["starts_at"]) in series
        ]
        + [
            _called_group(call, deliveries_of(report, call), series[call["aggregation_ean"], call["starts_at"]])
            for call in report["calls"]
            if (call["aggregation_ean"], call["starts_at"]) in series
        ],
        "money": {
            "html": _html(money_chart(report["settlement"]["lines"], names)),
            "description": "Bar chart of the amount per beneficiary; the numbers are in the table below it.",
            "table": money_table(report, names),
        },
        "timings": timing_table(report),
    }
    engine = Engine(dirs=[str(_TEMPLATES)])
    page = engine.get_template("report_page.html").render(Context(context))
    path.write_text(page, encoding="utf-8")


def print_summary(report: Row, *, console: Console) -> None:
    """Print bids, deliveries and money on the terminal."""
    tables = (
        (bid_table(report, {}), "Bids"),
        (call_table(report, {}), "Calls under contracts"),
        (money_table(report, {}), "Settlement"),
    )
    for table, title in tables:
        shown = TerminalTable(title=title, title_justify="left")
        for column in table.columns:
            shown.add_column(escape(column.name), justify="right" if column.is_number else "left")
        for row in table.rows:
            shown.add_row(*(escape(cell.text) for cell in row))
        if table.total:
            shown.add_section()
            shown.add_row(*(cell.text for cell in table.total), style="bold")
        console.print(shown)
    for tile in _tiles(report):
        console.print(f"{tile['name']}: [bold]{tile['value']}[/bold] ({tile['detail']})")


def _tiles(report: Row) -> list[dict[str, str]]:
    ordered_wh = sum(row["ordered_w"] for row in report["deliveries"]) // 4
    paid_wh = sum(line["delivered_wh"] for line in report["settlement"]["lines"])
    setpoints, drivers = report["setpoints"], report["drivers"]
    return [
        {
            "name": "Delivered of ordered energy",
            "value": percent(paid_wh, ordered_wh),
            "detail": f"{paid_wh / 1000:,.0f} of {ordered_wh / 1000:,.0f} kWh",
        },
        {
            "name": "Money",
            "value": f"€ {report['settlement']['total_eur']}",
            "detail": f"{len(report['settlement']['lines'])} lines that add up to it",
        },
        {
            "name": "Setpoints followed",
            "value": percent(setpoints["followed"], setpoints["judged"]),
            "detail": f"{setpoints['followed']:,} of {setpoints['judged']:,} that ran to their end; "
            f"{setpoints['sent']:,} sent, {setpoints['accepted']:,} accepted",
        },
        {
            "name": "Drivers served",
            "value": percent(drivers["served"], drivers["sessions"]),
            "detail": f"{drivers['served']:,} of {drivers['sessions']:,}, {drivers['unserved_kwh']:,.1f} kWh missing",
        },
    ]


def _called_group(call: Row, deliveries: Sequence[Row], series: Row) -> dict[str, Any]:
    meaning = "at most" if call["power_meaning"] == "limit" else "a deviation of"
    return {
        "heading": f"{series['name']} ({call['aggregation_ean']})",
        "summary": (
            f"Called under {call['kind']} contract {call['contract_id']} by {call['grid_operator']}: {meaning} "
            f"{powers_kw(call)} kW; delivered {delivered_share(deliveries)} of what that came to."
        ),
        "charts": [_power(series, deliveries)],
        "limits": conversation_table(call),
    }


def _group(bid: Row, deliveries: Sequence[Row], series: Row) -> dict[str, Any]:
    explanation = series["explanation"]
    curve = explanation.get("curve") or []
    charts = [_power(series, deliveries)]
    if curve:
        charts.append(
            {
                "heading": "Reliability of the bid",
                "html": _html(reliability_chart(bid, curve)),
                "description": "Line chart of reliability against power; the numbers are in the table below it.",
                "table": curve_table(curve),
            }
        )
    offered = f"Offered {bid['power_w'] / 1000:,.0f} kW at {bid['reliability']:.0%} reliability"
    outcome = OUTCOMES.get(bid["outcome"], str(bid["outcome"])).lower()
    cleared = f"{outcome}, {bid['cleared_power_w'] / 1000:,.0f} kW" if bid["cleared_power_w"] else outcome
    delivered = f"; delivered {delivered_share(deliveries)} of what was ordered" if deliveries else ""
    return {
        "heading": f"{series['name']} ({bid['aggregation_ean']})",
        "summary": f"{offered}: {cleared}{delivered}. {explanation.get('reason', '')}",
        "charts": charts,
        "limits": limit_table(explanation["power"]) if explanation.get("power") else None,
    }


def _power(series: Row, deliveries: Sequence[Row]) -> dict[str, Any]:
    return {
        "heading": "Power over the evening",
        "html": _html(power_chart(series, deliveries)),
        "description": "Line chart of baseline, plan, metered and ordered power; its numbers are in a table.",
        "table": power_table(series, deliveries),
    }


def _day(report: Row) -> date:
    windows = [row["starts_at"] for row in (*report["announcements"], *report["bids"])]
    return local(min(windows)).date()


def _html(figure: go.Figure) -> str:
    return str(
        figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True})
    )
