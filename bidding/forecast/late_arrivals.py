"""How much power cars that have yet to come may take in a quarter hour, as on all but the busiest like days.

Only chargers that are free now count: where a car stands, the next one comes after it has left, and takes its place.
Each car is taken to charge at full power from its arrival, as long as it needs.
"""

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.arrivals import PastArrivals, past_arrivals
from bidding.forecast.like_days import like_days
from bidding.forecast.sessions import PluggedIn, SessionTable

Floats = NDArray[np.float64]

HOUR_S = 3_600


def late_arrivals_kw(
    history: SessionTable,
    plugged_in: PluggedIn,
    *,
    now_s: int,
    starts_s: int,
    ends_s: int,
    timezone: str,
    quantile: float,
) -> float:
    """Return the mean power, from `starts_s` to `ends_s`, of cars that come after `now_s`.

    Args:
        history: sessions completed at `now_s`.
        plugged_in: cars plugged in at `now_s`.
        now_s: until when it is known who came.
        starts_s: start of the quarter hour.
        ends_s: its end.
        timezone: in which days repeat.
        quantile: share of like days on which no more than this came; without any such day nothing is known to come.
    """
    days = like_days(history.plug_in_s, now_s=now_s, starts_s=starts_s, ends_s=ends_s, timezone=timezone)
    if not len(days):
        return 0.0
    past = past_arrivals(
        history, plugged_in, now_s=now_s, ends_s=ends_s, day_starts_s=days.starts_s, window_starts_s=starts_s
    )
    own_kw = _mean_kw(history, past, starts_s=starts_s, ends_s=ends_s)
    is_free = np.ones(own_kw.shape[1], dtype=np.bool_)
    is_free[plugged_in.charger] = False
    taken_kw = np.take_along_axis(own_kw, np.maximum(past.donor_day, 0), axis=0)
    day_kw = np.where(is_free & (past.donor_day >= 0), taken_kw, 0.0).sum(axis=1)
    order = np.argsort(day_kw, kind="stable")
    reached = np.cumsum(days.weight[order])
    return float(day_kw[order[min(int(np.searchsorted(reached, quantile)), len(order) - 1)]])


def _mean_kw(history: SessionTable, past: PastArrivals, *, starts_s: int, ends_s: int) -> Floats:
    """Return the mean power by past day and charger, shape (D, chargers)."""
    row = past.row
    from_s = history.plug_in_s[row] + past.shift_s
    full_s = history.energy_kwh[row] / history.power_kw[row] * HOUR_S
    until_s = np.minimum(history.plug_out_s[row] + past.shift_s, from_s + full_s)
    overlap_s = np.maximum(np.minimum(until_s, ends_s) - np.maximum(from_s, starts_s), 0)
    mean_kw = np.zeros(past.donor_day.shape)
    np.add.at(mean_kw, (past.day, past.charger), history.power_kw[row] * overlap_s / (ends_s - starts_s))
    return mean_kw
