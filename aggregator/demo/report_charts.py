"""The charts of the demo's report, as plotly figures. Every line differs in dash as well as in colour."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aggregator.core.ptu import MARKET_ZONE, PTU

# Okabe and Ito's colours, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#B94700", "#00795A", "#8F3F71", "#666666"
KILO = 1000
_LAYOUT = {
    "template": "plotly_white",
    "font": {"family": "system-ui, sans-serif", "size": 14, "color": "#1a1a1a"},
    "hovermode": "x unified",
    "margin": {"l": 70, "r": 20, "t": 20, "b": 40},
}
_LEGEND_ABOVE = {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0}


def local(text: str) -> datetime:
    """Return an instant of the report on the Dutch clock, without zone: plotly shows what it is given."""
    return datetime.fromisoformat(text).astimezone(MARKET_ZONE).replace(tzinfo=None)


def power_chart(series: Mapping[str, Any], deliveries: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Draw a group's power over the evening, and under it what was ordered and delivered in each PTU."""
    heights = [0.68, 0.32] if deliveries else [1.0]
    figure = make_subplots(rows=len(heights), cols=1, shared_xaxes=True, row_heights=heights, vertical_spacing=0.07)
    starts = [local(text) for text in series["ptu_starts"]]
    baseline_kw, plan_kw, metered_kw = (_kilo(series[name]) for name in ("baseline_w", "plan_w", "metered_w"))
    if any(value is not None for value in series["undisturbed_w"]):
        lines = [("Undisturbed (simulator)", _kilo(series["undisturbed_w"]), GREY, "dot", 1.5)]
    else:
        lines = []
    lines += [
        ("Baseline", baseline_kw, BLUE, "dash", 2),
        ("Plan (setpoints kept)", plan_kw, PURPLE, "dashdot", 2),
        ("Metered", metered_kw, ORANGE, "solid", 3),
    ]
    if any(value is not None for value in series.get("limit_w", ())):
        lines.append(("Limit", _kilo(series["limit_w"]), GREEN, "longdash", 3))
    for name, values, colour, dash, width in lines:
        figure.add_trace(_steps(starts, values, name=name, colour=colour, dash=dash, width=width), row=1, col=1)
    delivered_at = [local(row["ptu_start"]) for row in deliveries]
    if deliveries:
        promised_kw = [(row["baseline_w"] - _sign(series) * row["ordered_w"]) / KILO for row in deliveries]
        figure.add_trace(
            _steps(delivered_at, promised_kw, name="Ordered level", colour=GREEN, dash="solid", width=2), row=1, col=1
        )
        half = PTU / 2
        figure.add_trace(
            go.Bar(
                x=[start + half for start in delivered_at],
                y=[row["delivered_w"] / KILO for row in deliveries],
                name="Delivered",
                marker_color=ORANGE,
                width=PTU.total_seconds() * KILO * 0.8,
                hovertemplate="%{y:,.0f} kW",
            ),
            row=2,
            col=1,
        )
        ordered_kw = [row["ordered_w"] / KILO for row in deliveries]
        figure.add_trace(
            _steps(delivered_at, ordered_kw, name="Ordered", colour=GREEN, dash="solid", width=3), row=2, col=1
        )
        figure.add_vrect(
            x0=delivered_at[0], x1=delivered_at[-1] + PTU, fillcolor=GREEN, opacity=0.08, line_width=0, row="all", col=1
        )
        figure.update_yaxes(title_text="Change [kW]", rangemode="tozero", row=2, col=1)
    figure.update_layout(**_LAYOUT, height=560 if deliveries else 400, legend=_LEGEND_ABOVE)
    figure.update_yaxes(title_text="Power [kW]", rangemode="tozero", row=1, col=1)
    figure.update_xaxes(range=[starts[0], starts[-1] + PTU], tickformat="%H:%M", showticklabels=True)
    figure.update_xaxes(title_text="Dutch time", row=len(heights), col=1)
    return figure


def reliability_chart(bid: Mapping[str, Any], curve: Sequence[Sequence[float]]) -> go.Figure:
    """Draw how likely a group is to deliver a power in every PTU of the window, and where the bid stands."""
    points = sorted((power_kw, probability * 100) for probability, power_kw in curve)
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=[power for power, _ in points],
            y=[probability for _, probability in points],
            name="Expected reliability",
            mode="lines+markers",
            line={"color": BLUE, "width": 2},
            hovertemplate="%{x:,.0f} kW in %{y:.1f} % of evenings",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[bid["power_w"] / KILO],
            y=[bid["reliability"] * 100],
            name="Bid",
            mode="markers",
            marker={"color": ORANGE, "size": 15, "symbol": "diamond"},
            hovertemplate="bid %{x:,.0f} kW at %{y:.1f} %",
        )
    )
    figure.add_hline(y=bid["reliability"] * 100, line={"color": GREY, "dash": "dash", "width": 1})
    figure.update_layout(**{**_LAYOUT, "hovermode": "closest"}, height=340, legend=_LEGEND_ABOVE)
    figure.update_xaxes(title_text="Power kept in every PTU [kW]", rangemode="tozero")
    figure.update_yaxes(title_text="Reliability [%]")
    return figure


def money_chart(lines: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> go.Figure:
    """Draw who gets how much, stacked by group."""
    beneficiaries = list(dict.fromkeys(line["partner"] or "Aggregator" for line in lines))
    beneficiaries.sort(key=lambda name: name == "Aggregator", reverse=True)  # drawn from the bottom up
    figure = go.Figure()
    eans = list(dict.fromkeys(line["aggregation_ean"] for line in lines))
    for ean, colour in zip(eans, _cycle(len(eans)), strict=True):
        amounts = {
            line["partner"] or "Aggregator": float(line["amount_eur"])
            for line in lines
            if line["aggregation_ean"] == ean
        }
        figure.add_trace(
            go.Bar(
                y=beneficiaries,
                x=[amounts.get(name, 0.0) for name in beneficiaries],
                name=names.get(ean, ean),
                orientation="h",
                marker={"color": colour, "line": {"color": "white", "width": 1}},
                hovertemplate="€ %{x:,.2f}",
            )
        )
    height = 120 + 44 * max(len(beneficiaries), 1)
    figure.update_layout(
        **{**_LAYOUT, "hovermode": "closest"},
        height=height,
        barmode="stack",
        legend={**_LEGEND_ABOVE, "traceorder": "normal"},
    )
    figure.update_xaxes(title_text="Amount [EUR]")
    figure.update_yaxes(automargin=True)
    return figure


def _steps(
    starts: Sequence[datetime], values: Sequence[float | None], *, name: str, colour: str, dash: str, width: float
) -> go.Scatter:
    """Return a line that holds each value for a PTU, the last one too."""
    return go.Scatter(
        x=[*starts, starts[-1] + timedelta(minutes=15)],
        y=[*values, values[-1]],
        name=name,
        mode="lines",
        line={"color": colour, "dash": dash, "width": width, "shape": "hv"},
        hovertemplate="%{y:,.0f} kW",
    )


def _sign(series: Mapping[str, Any]) -> int:
    return -1 if series["direction"] == "increase" else 1


def _kilo(values: Sequence[int | None]) -> list[float | None]:
    return [None if value is None else value / KILO for value in values]


def _cycle(count: int) -> list[str]:
    colours = (BLUE, ORANGE, GREEN, PURPLE, GREY)
    return [colours[number % len(colours)] for number in range(count)]
