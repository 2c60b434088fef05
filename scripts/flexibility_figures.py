# noqa: INP001 - run with -m, imported by nobody
"""Draw the figures of docs/flexibility.md: `python -m scripts.flexibility_figures [--data FOLDER]`.

Writes SVG to docs/figures from the same computations as `scripts.flexibility_curves`, of which they show more points.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from bidding.flexibility.price_plan import plan_by_price
from bidding.flexibility.ul import Floats
from scripts.flexibility_curves.curves import CHARGERS, KINDS, WINDOWS, bootstrap, rooms
from scripts.flexibility_curves.history import SETS, read_history
from scripts.flexibility_curves.lead_time import LEAD_SETS, lead_losses
from scripts.flexibility_curves.noon import noon_fleet, prices_of, shifted_years
from scripts.reference_data import DATA

FIGURES = Path(__file__).resolve().parent.parent / "docs" / "figures"
COLOURS = ("#1d4ed8", "#b45309", "#047857", "#6b7280")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 360, 240, 46, 30, 12, 44
BID_KW = 100.0


@dataclass(frozen=True, slots=True)
class Panel:
    """One small chart: lines of y over a common x, with labelled ticks."""

    title: str
    x: Floats
    x_ticks: Sequence[tuple[float, str]]
    x_name: str
    y_name: str
    y_top: float
    lines: dict[str, Floats]


def drawn(panels: Sequence[Panel], *, columns: int, what: str) -> str:
    """Lay panels out in rows as one SVG with a legend below and a text alternative."""
    rows = -(-len(panels) // columns)
    names = list(panels[0].lines)
    height = rows * HEIGHT + 26
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns * WIDTH} {height}" role="img" '
            f'font-family="sans-serif" font-size="11" fill="#111"><title>{escape(what)}</title>'
            f'<rect width="100%" height="100%" fill="#fff"/>'
        )
    ]
    for place, panel in enumerate(panels):
        row, column = divmod(place, columns)
        parts.append(f'<g transform="translate({column * WIDTH} {row * HEIGHT})">{_panel(panel)}</g>')
    for place, name in enumerate(names):
        x = LEFT + place * 170
        parts.append(
            f'<line x1="{x}" x2="{x + 22}" y1="{height - 12}" y2="{height - 12}" stroke="{COLOURS[place]}" '
            f'stroke-width="2"{_dash(place)}/><text x="{x + 28}" y="{height - 8}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel) -> str:
    low, high = float(panel.x[0]), float(panel.x[-1])
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def across(value: float) -> float:
        return LEFT + wide * (value - low) / (high - low)

    def up(value: float) -> float:
        return TOP + tall * (1 - value / panel.y_top)

    parts = [f'<text x="{LEFT}" y="18" font-weight="bold">{escape(panel.title)}</text>']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = up(share * panel.y_top)
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + wide}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{share * panel.y_top:.3g}</text>')
    for value, label in panel.x_ticks:
        parts.append(f'<text x="{across(value):.1f}" y="{TOP + tall + 15}" text-anchor="middle">{escape(label)}</text>')
    parts.append(f'<text x="{LEFT + wide}" y="{TOP + tall + 30}" text-anchor="end">{escape(panel.x_name)}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="18" text-anchor="end">{escape(panel.y_name)}</text>')
    for place, values in enumerate(panel.lines.values()):
        points = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in zip(panel.x, values, strict=True))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[place]}" stroke-width="2"{_dash(place)}/>'
        )
    return "".join(parts)


def _dash(place: int) -> str:
    return ("", ' stroke-dasharray="6 3"', ' stroke-dasharray="2 3"', ' stroke-dasharray="8 3 2 3"')[place]


def chargers_needed(data: Path) -> str:
    """Probability of 100 kW against the number of chargers, per set and window, each charger on a day of its own."""
    ticks = [(np.log(size), f"{size:,}") for size in (20, 100, 500, 2000, 6000)]
    panels = []
    for name in SETS:
        history = read_history(data, name)
        earlier = 9 if name.startswith("workplace") else 0
        for label, (evening, window) in WINDOWS.items():
            lines = {}
            for kind in KINDS:
                found = rooms(history, hour=evening - earlier, window=window, kind=kind)
                powers = bootstrap(found, window=window, seed=1, whole_days=False)
                lines[kind] = (powers >= BID_KW).mean(axis=0)
            title = f"{name}, {label} from {evening - earlier}:00"
            panels.append(Panel(title, np.log(CHARGERS), ticks, "chargers", "P(100 kW)", 1.0, lines))
    return drawn(panels, columns=3, what="Probability of 100 kW against the number of chargers, by set and window")


def lead_time(data: Path) -> str:
    """Power lost by short notice, by hour of the day."""
    ticks = [(float(hour), f"{(12 + hour) % 24}") for hour in range(0, 24, 3)]
    panels = []
    for name in LEAD_SETS:
        found = lead_losses(data, name)
        lines = {f"{kind}, {plan} baseline": losses for (kind, plan), losses in found.items()}
        top = max(0.05, np.ceil(20 * max(losses.max() for losses in lines.values())) / 20)
        panels.append(Panel(name, np.arange(24.0), ticks, "start hour", "kW per charger lost", top, lines))
    return drawn(panels, columns=2, what="Reduction lost by one hour's notice instead of a day's, by start hour")


def secondary_peaks(data: Path) -> str:
    """Mean load per charger from noon to noon under three plans."""
    ticks = [(float(hour), f"{(12 + hour) % 24}") for hour in range(0, 24, 3)]
    panels = []
    for name in ("residential (NO)", "public (Dundee)", "workplace (Dundee)"):
        history, random = read_history(data, name), np.random.default_rng(4)
        loads = np.zeros((3, 24))
        for place in random.choice(len(history.weekdays()), 60, replace=False):
            day = history.weekdays()[place]
            fleet = noon_fleet(history, day, hours=48, two_way=False)
            if not fleet.devices:
                continue
            price = prices_of(data, shifted_years(day), 48, history.zone)
            arrival = plan_by_price(corridor=fleet, price=np.arange(48.0), step_hours=1.0).sum(axis=0)
            free = plan_by_price(corridor=fleet, price=price, step_hours=1.0).sum(axis=0)
            cap_kw = arrival.max() * (1 + 1e-6)
            capped = plan_by_price(corridor=fleet, price=price, step_hours=1.0, cap_kw=cap_kw).sum(axis=0)
            loads += np.array([arrival, free, capped])[:, :24] / history.chargers / 60
        lines = dict(zip(("on arrival", "by price", "by price, capped"), loads, strict=True))
        top = np.ceil(20 * loads.max()) / 20
        panels.append(Panel(name, np.arange(24.0), ticks, "hour", "mean kW per charger", top, lines))
    return drawn(panels, columns=3, what="Mean load of charging on arrival, by price, and by price under a cap")


DRAWN: dict[str, Callable[[Path], str]] = {
    "chargers-needed": chargers_needed,
    "lead-time": lead_time,
    "secondary-peaks": secondary_peaks,
}


def main() -> None:
    """Write the figures asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m scripts.flexibility_figures", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="figure", help=f"of {', '.join(DRAWN)}; all without any")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    FIGURES.mkdir(exist_ok=True)
    for name in options.figures or list(DRAWN):
        (FIGURES / f"{name}.svg").write_text(DRAWN[name](options.data))


if __name__ == "__main__":
    main()
