"""Charts for Chart.js as Unfold bundles it: plain JSON on a canvas, which a table beside it says in words.

The colours stand out from the light theme and from the dark one; that of texts follows the theme (`charts.js`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BLUE, ORANGE, GREEN, LIGHT_GREEN, GREY = "#2563eb", "#c2410c", "#15803d", "#4f9f6b", "#717b8b"


@dataclass(frozen=True, slots=True)
class Series:
    """One named line or row of bars; None leaves a gap."""

    name: str
    values: Sequence[float | None]
    colour: str
    is_line: bool = False
    is_dashed: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """What the canvas element needs, and what a screen reader says instead."""

    data: str
    options: str
    description: str


def chart(*, labels: Sequence[str], series: Sequence[Series], unit: str, description: str) -> Chart:
    """Return a chart of series over the quarter hours in `labels`; lines are drawn as steps that hold for a PTU."""
    data = {"labels": list(labels), "datasets": [_dataset(one) for one in series]}
    return Chart(json.dumps(data), json.dumps(_options(unit)), description)


def _dataset(series: Series) -> dict[str, Any]:
    shared = {"label": series.name, "data": list(series.values), "borderColor": series.colour}
    if not series.is_line:
        return {
            "type": "bar",
            **shared,
            "backgroundColor": series.colour,
            "barPercentage": 1,
            "categoryPercentage": 1,
            "order": 1,
        }
    return {
        "type": "line",
        **shared,
        "backgroundColor": series.colour,
        "stepped": "middle",
        "borderWidth": 2,
        "borderDash": [6, 4] if series.is_dashed else [],
        "pointRadius": 1,
        "pointStyle": "line",
        "spanGaps": False,
        "order": 0,  # above the bars
    }


def _options(unit: str) -> Mapping[str, Any]:
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "datasets": {"bar": {"grouped": False}},
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {
            "legend": {
                "display": True,
                "position": "top",
                "align": "start",
                "labels": {"usePointStyle": True},
            }
        },
        "scales": {
            "x": {
                "ticks": {"maxTicksLimit": 13, "maxRotation": 0},
                "grid": {"display": False},
            },
            "y": {
                "beginAtZero": True,
                "grace": "10%",
                "grid": {"display": True},
                "title": {"display": True, "text": unit},
            },
        },
    }
