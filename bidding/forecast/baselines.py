"""What a charging session draws when nobody intervenes: charging on arrival, or in the cheapest PTUs of the stay.

Energies are exact to the second: a PTU in which a car is plugged in for six minutes offers six minutes of power.
Arrays (sessions, PTUs) lie in memory PTU by PTU: long loops over sessions instead of short ones over PTUs.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.local_time import DAY_S, day_number, hour_of_day, local_seconds, utc_seconds

Seconds = NDArray[np.int64]
Floats = NDArray[np.float64]

HOUR_S = 3600.0
PTU_S = 900

MOST_CELLS = 2**18
"""Sessions times PTUs of stay that are sorted by price at once: temporaries of 2 MB."""

PUBLISHED_AT_H = 13
"""Local hour from which the day-ahead auction's prices of the next day are out."""


@dataclass(frozen=True, slots=True, eq=False)
class PriceCurve:
    """Prices per PTU: `eur_per_mwh[k]` holds from `starts_s + 900 k`."""

    starts_s: int
    eur_per_mwh: Floats

    @property
    def ends_s(self) -> int:
        """End of the last price, UTC epoch seconds."""
        return self.starts_s + PTU_S * len(self.eur_per_mwh)

    def at_ptu(self, ptu: Seconds) -> Floats:
        """Return the prices of PTUs counted from the epoch; the first and last price hold beyond the curve."""
        position = np.clip(ptu - self.starts_s // PTU_S, 0, len(self.eur_per_mwh) - 1)
        return self.eur_per_mwh[position]

    def published_by(self, now_s: int, *, timezone: str) -> "PriceCurve":
        """Return the prices that are out by then, one at least: to the end of the local day, or of the next."""
        local_s = int(local_seconds(now_s, timezone=timezone))
        days_known = 2 if hour_of_day(local_s) >= PUBLISHED_AT_H else 1
        ends_s = int(utc_seconds((int(day_number(local_s)) + days_known) * DAY_S, timezone=timezone))
        return replace(self, eur_per_mwh=self.eur_per_mwh[: max((ends_s - self.starts_s) // PTU_S, 1)])


def present_h(plug_in_s: Seconds, plug_out_s: Seconds, edges_s: Seconds) -> Floats:
    """Return the hours each stay overlaps each period, shape (sessions, len(edges_s) - 1)."""
    starts = np.maximum(edges_s[:-1, None], plug_in_s)
    ends = np.minimum(edges_s[1:, None], plug_out_s)
    return np.asarray(np.maximum(ends - starts, 0) / HOUR_S).T


def arrival_kwh(plug_in_s: Seconds, energy_kwh: Floats, power_kw: Floats, edges_s: Seconds) -> Floats:
    """Return the energy taken in each period by charging at full power from plug-in until the energy is in.

    The energy must fit in the stay (`SessionTable` sees to that). Shape (sessions, len(edges_s) - 1).
    """
    hours = np.maximum(edges_s[:, None] - plug_in_s, 0) / HOUR_S
    taken_kwh = np.minimum(hours * power_kw, energy_kwh)
    return np.asarray(taken_kwh[1:] - taken_kwh[:-1]).T


def price_kwh(
    plug_in_s: Seconds,
    plug_out_s: Seconds,
    energy_kwh: Floats,
    power_kw: Floats,
    edges_s: Seconds,
    *,
    prices: PriceCurve,
) -> Floats:
    """Return the energy taken in each period by charging in the cheapest PTUs of the stay, the earliest of equals.

    `edges_s` must lie on PTU boundaries; the first period may be longer than a PTU. Shape (sessions, len(edges_s) - 1).
    """
    result = np.empty((len(plug_in_s), len(edges_s) - 1))
    ptus = np.maximum((plug_out_s - 1) // PTU_S - plug_in_s // PTU_S + 1, 1)
    longest_first = np.argsort(-ptus, kind="stable")
    while len(longest_first):
        alike = max(MOST_CELLS // int(ptus[longest_first[0]]), 1)
        rows, longest_first = longest_first[:alike], longest_first[alike:]
        result[rows] = _cheapest_kwh(
            plug_in_s[rows], plug_out_s[rows], energy_kwh[rows], power_kw[rows], edges_s, prices=prices
        )
    return result


def _cheapest_kwh(
    plug_in_s: Seconds,
    plug_out_s: Seconds,
    energy_kwh: Floats,
    power_kw: Floats,
    edges_s: Seconds,
    *,
    prices: PriceCurve,
) -> Floats:
    """`price_kwh` of stays that are about as long: each is laid out in as many PTUs as the longest."""
    first = plug_in_s // PTU_S
    width = int(((plug_out_s - 1) // PTU_S - first).max()) + 1
    ptu = first[:, None] + np.arange(width)
    most_kwh = power_kw[:, None] * (
        np.maximum(
            np.minimum(plug_out_s[:, None], (ptu + 1) * PTU_S) - np.maximum(plug_in_s[:, None], ptu * PTU_S),
            0,
        )
        / HOUR_S
    )
    order = np.argsort(np.where(most_kwh > 0, prices.at_ptu(ptu), np.inf), axis=1, kind="stable")
    offered = np.take_along_axis(most_kwh, order, axis=1)
    before = np.cumsum(offered, axis=1) - offered
    taken = np.empty_like(offered)
    np.put_along_axis(taken, order, np.clip(energy_kwh[:, None] - before, 0.0, offered), axis=1)
    cumulative = np.concatenate([np.zeros((len(first), 1)), np.cumsum(taken, axis=1)], axis=1)
    edge = np.clip(edges_s[None, :] // PTU_S - first[:, None], 0, width)
    return np.diff(np.take_along_axis(cumulative, edge, axis=1), axis=1)
