"""Peaks of a fleet that all charges when power is cheapest."""

from pathlib import Path

import numpy as np

from bidding.flexibility.price_plan import plan_by_price
from scripts.flexibility_curves.history import read_history
from scripts.flexibility_curves.markdown import row, table
from scripts.flexibility_curves.noon import noon_fleet, prices_of, shifted_years


def secondary_peaks(data: Path) -> None:
    """Daily peaks of price-optimised charging beside charging on arrival, without and with a cap."""
    hours, random = 48, np.random.default_rng(4)
    table(
        "set",
        "days",
        "arrival peak, kW/charger",
        "price / arrival, median",
        "P90",
        "hour of price peak",
        "capped at the arrival peak: extra cost",
    )
    for name in ("residential (NO)", "public (Dundee)", "workplace (Dundee)"):
        history = read_history(data, name)
        ratios, peaks, at, extra = [], [], [], []
        for place in random.choice(len(history.weekdays()), 60, replace=False):
            day = history.weekdays()[place]
            fleet = noon_fleet(history, day, hours=hours, two_way=False)
            if fleet.devices < 5:  # noqa: PLR2004 - a handful of cars has no peak worth a ratio
                continue
            arrival = plan_by_price(corridor=fleet, price=np.arange(float(hours)), step_hours=1.0).sum(axis=0)
            price = prices_of(data, shifted_years(day), hours, history.zone)
            free = plan_by_price(corridor=fleet, price=price, step_hours=1.0).sum(axis=0)
            capped = plan_by_price(corridor=fleet, price=price, step_hours=1.0, cap_kw=arrival.max() * (1 + 1e-6)).sum(
                axis=0
            )
            peaks.append(arrival.max() / history.chargers)
            ratios.append(free.max() / arrival.max())
            at.append((12 + int(np.argmax(free))) % 24)
            saved = arrival @ price - free @ price
            extra.append((capped @ price - free @ price) / saved if saved > 0 else 0.0)
        hour = int(np.bincount(at, minlength=24).argmax())
        row(
            name,
            str(len(ratios)),
            f"{np.median(peaks):.2f}",
            f"{np.median(ratios):.2f}",
            f"{np.quantile(ratios, 0.9):.2f}",
            f"{hour}:00",
            f"{100 * np.median(extra):.1f} % of the saving",
        )
