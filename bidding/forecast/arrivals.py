"""What will still arrive before the window is over: whole days of the past, replayed on today's chargers.

A scenario takes one past day for all chargers, so that what days share (weather, football, holidays) stays in. A
charger whose state at bidding time differs from that day's (free now, taken then) takes the nearest day on which it
was as it is now: what a charger does next depends first on whether a car stands there. A charger that is taken now
receives a new car only after the sampled departure of the present one.

Source: block bootstrap with whole days as blocks, Künsch (1989); state-conditional donors as in nearest-neighbour
bootstrap, Lall and Sharma (1996).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.forecast.sessions import PluggedIn, SessionTable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PastArrivals:
    """Sessions that began between bidding time and window end on D past days, moved to the present day.

    Row arrays have shape (n,): `row` in the history, `day` 0..D-1, `charger`, and `shift_s` from then to now.
    `donor_day` (D, chargers) is the day whose arrivals a charger takes when a scenario draws day d; -1 for none.
    """

    row: NDArray[np.intp]
    day: Integers
    charger: NDArray[np.int32]
    shift_s: Integers
    donor_day: Integers


def past_arrivals(
    history: SessionTable,
    plugged_in: PluggedIn,
    *,
    now_s: int,
    ends_s: int,
    day_starts_s: Integers,
    window_starts_s: int,
) -> PastArrivals:
    """Collect the arrivals of past days between bidding time and window end.

    Args:
        history: sessions completed at `now_s`.
        plugged_in: cars plugged in at `now_s`.
        now_s: bidding time.
        ends_s: end of the window.
        day_starts_s: start of the same window on D past days, ascending; shape (D,).
        window_starts_s: start of the window asked for.
    """
    chargers = max(history.n_chargers, int(plugged_in.charger.max(initial=-1)) + 1)
    days = len(day_starts_s)
    shift_s = window_starts_s - day_starts_s
    from_s, to_s = now_s - shift_s, ends_s - shift_s
    first = np.searchsorted(history.plug_in_s, from_s, side="right")
    last = np.searchsorted(history.plug_in_s, to_s, side="left")
    count = np.maximum(last - first, 0)
    day = np.repeat(np.arange(days), count)
    row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    return PastArrivals(
        row=row,
        day=day,
        charger=history.charger[row],
        shift_s=shift_s[day],
        donor_day=_donor_days(history, plugged_in, chargers=chargers, instants_s=from_s),
    )


def _donor_days(history: SessionTable, plugged_in: PluggedIn, *, chargers: int, instants_s: Integers) -> Integers:
    """Return the day whose arrivals a charger takes, per day and charger; -1 for a charger never known.

    A charger that is free now: the nearest day on which it was known and free. One that is taken now: the day itself,
    or the first on which it was known, so that a growing fleet is not forecast from the days before it grew.
    """
    taken = _taken(history, plugged_in, chargers=chargers, instants_s=instants_s)
    first_seen_s = np.full(chargers, np.iinfo(np.int64).max)
    np.minimum.at(first_seen_s, history.charger, history.plug_in_s)
    known = first_seen_s[None, :] <= instants_s[:, None]
    donor = _nearest(known & ~taken)
    taken_now = np.zeros(chargers, dtype=np.bool_)
    taken_now[plugged_in.charger] = True
    return np.where(taken_now[None, :], _nearest(known), donor)


def _taken(history: SessionTable, plugged_in: PluggedIn, *, chargers: int, instants_s: Integers) -> NDArray[np.bool_]:
    """Return whether each charger was taken at each of D ascending instants, (D, chargers).

    Cars that still stand there count as well: their day is not free, and its arrivals are not all known yet.
    """
    days = len(instants_s)
    edge = np.zeros((days + 1, chargers), dtype=np.int32)
    for charger, starts_s, ends_s in (
        (history.charger, history.plug_in_s, history.plug_out_s),
        (plugged_in.charger, plugged_in.plug_in_s, np.full(len(plugged_in), np.iinfo(np.int64).max)),
    ):
        begin = np.searchsorted(instants_s, starts_s, side="left")
        end = np.searchsorted(instants_s, ends_s, side="left")
        some = begin < end
        np.add.at(edge, (begin[some], charger[some]), 1)
        np.add.at(edge, (end[some], charger[some]), -1)
    return np.asarray(np.cumsum(edge[:-1], axis=0) > 0)


def _nearest(usable: NDArray[np.bool_]) -> Integers:
    """Return for each row and column the nearest row where the column is usable, the earlier of equals; -1 if none."""
    days = len(usable)
    index = np.arange(days)[:, None]
    before = np.maximum.accumulate(np.where(usable, index, -1), axis=0)
    after = np.minimum.accumulate(np.where(usable, index, 2 * days)[::-1], axis=0)[::-1]
    to_before = np.where(before >= 0, index - before, 3 * days)
    to_after = np.where(after < days, after - index, 3 * days)
    nearest = np.where(to_before <= to_after, before, after)
    return np.asarray(np.where((before < 0) & (after >= days), -1, nearest))
