"""The backtest as one self-contained page: what was promised, what was possible, and every promise broken."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aggregator.core.words import counted

PROMISED, POSSIBLE, DELIVERED, BROKEN = "#1f5fa8", "#b9c4d0", "#3c9d6d", "#c8442f"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Backtest</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; margin: 1rem; }} h1 {{ font-size: 1.25rem; }}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{drawn}
</main>
</body>
</html>
"""


def backtest_page(report: Mapping[str, Any]) -> str:
    """Return HTML that needs nothing from the network, from a report of `bidding.backtest.report`."""
    windows = report["windows"]
    figure = make_subplots(
        rows=3,
        cols=1,
        row_heights=[0.45, 0.25, 0.3],
        vertical_spacing=0.08,
        specs=[[{"type": "xy"}], [{"type": "xy"}], [{"type": "table"}]],
        subplot_titles=("Power per window, weakest PTU [kW]", "Promises kept so far", "Promises broken"),
    )
    _add_power(figure, windows)
    _add_coverage(figure, windows, nominal=report["summary"]["nominal"])
    _add_misses(figure, windows)
    figure.update_layout(template="plotly_white", height=1100)
    figure.update_yaxes(rangemode="tozero", row=1, col=1)
    figure.update_yaxes(tickformat=".0%", row=2, col=1)
    drawn = figure.to_html(include_plotlyjs=True, full_html=False)
    return _PAGE.format(title=_title(report["summary"]), drawn=drawn)


def _title(summary: Mapping[str, Any]) -> str:
    if summary["coverage"] is None:
        return f"No bids in {counted(summary['windows'], 'window')}"
    low, high = summary["coverage_interval"]
    return (
        f"Promised {summary['nominal']:.0%}, kept {summary['coverage']:.1%} "
        f"({counted(summary['bids'], 'bid')} in {counted(summary['windows'], 'window')}, "
        f"95 % interval {low:.1%} to {high:.1%})"
    )


def _add_power(figure: go.Figure, windows: Sequence[Mapping[str, Any]]) -> None:
    days = [window["starts_at"] for window in windows]
    bid = [window["bid_kw"] for window in windows]
    lines: tuple[tuple[str, list[float], str], ...] = (
        ("perfect information", [window["perfect_information_kw"] for window in windows], POSSIBLE),
        ("bid", bid, PROMISED),
    )
    for name, values, colour in lines:
        figure.add_scatter(x=days, y=values, name=name, mode="lines", line={"color": colour}, row=1, col=1)
    for name, wanted, colour in (("delivered", True, DELIVERED), ("missed", False, BROKEN)):
        chosen = [window for window in windows if window["delivered"] is wanted]
        figure.add_scatter(
            x=[window["starts_at"] for window in chosen],
            y=[window["min_delivered_kw"] for window in chosen],
            name=name,
            mode="markers",
            marker={"color": colour, "size": 6},
            row=1,
            col=1,
        )


def _add_coverage(figure: go.Figure, windows: Sequence[Mapping[str, Any]], *, nominal: float) -> None:
    placed = [window for window in windows if window["delivered"] is not None]
    kept = np.cumsum([bool(window["delivered"]) for window in placed]) / np.arange(1, len(placed) + 1)
    figure.add_scatter(
        x=[window["starts_at"] for window in placed],
        y=kept.tolist(),
        name="kept",
        mode="lines",
        line={"color": DELIVERED},
        row=2,
        col=1,
    )
    figure.add_hline(y=nominal, line_dash="dot", line_color=PROMISED, row=2, col=1)


def _add_misses(figure: go.Figure, windows: Sequence[Mapping[str, Any]]) -> None:
    missed = [window for window in windows if window["delivered"] is False]
    columns = ("starts_at", "bid_kw", "min_delivered_kw", "shortfall_kwh", "perfect_information_kw", "unserved_kwh")
    figure.add_table(
        header={"values": [name.replace("_", " ") for name in columns], "align": "left"},
        cells={
            "values": [[_cell(window[name]) for window in missed] for name in columns],
            "align": "left",
        },
        row=3,
        col=1,
    )


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.2f}"
