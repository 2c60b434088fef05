"""How many kilowatts each session can hold back (or take extra) in every PTU of a window, its driver served.

One rule per car, in closed form, so that thousands of sampled sessions cost milliseconds. The rule is a plan that a
car can follow on its own (rest, or draw its floor, as long as the stay after the window can make up for it; spread
what a V2G car can spare evenly), hence the sum over cars is never above what the linear programme over the fleet finds.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bidding.flexibility.storage import ROUND_TRIP_EFFICIENCY
from bidding.forecast.baselines import PriceCurve, arrival_kwh, present_h, price_kwh

Floats = NDArray[np.float64]
Seconds = NDArray[np.int64]

HOUR_S = 3600.0
DISTANT_PAST_S = 0


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """n sessions, known or sampled; arrays of shape (n,). `floor_kw` is 0 for cars that can pause."""

    plug_in_s: Seconds
    plug_out_s: Seconds
    energy_kwh: Floats
    power_kw: Floats
    floor_kw: Floats
    v2g: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.plug_in_s)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Sessions":
        """Return the chosen rows."""
        return Sessions(
            plug_in_s=self.plug_in_s[rows],
            plug_out_s=self.plug_out_s[rows],
            energy_kwh=self.energy_kwh[rows],
            power_kw=self.power_kw[rows],
            floor_kw=self.floor_kw[rows],
            v2g=self.v2g[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class WindowCapacity:
    """Per session and PTU, shape (n, T) [kW].

    Attributes:
        capacity_kw: change against the baseline that the car can hold.
        rated_kw: the most its rating allows while it is plugged in; twice the rating for V2G.
        floor_kw: what the pause floor takes from the capacity.
        departure_kw: what is left out because the stay after the window could not make up for it.
    """

    capacity_kw: Floats
    rated_kw: Floats
    floor_kw: Floats
    departure_kw: Floats

    def stacked(self) -> Floats:
        """Return the four side by side, shape (n, 4, T), in the order of `COMPONENTS`, session by session in memory."""
        sessions, steps = self.capacity_kw.shape
        result = np.empty((sessions, len(COMPONENTS), steps))
        for place, name in enumerate(COMPONENTS):
            result[:, place] = getattr(self, name)
        return result


COMPONENTS = ("capacity_kw", "rated_kw", "floor_kw", "departure_kw")


def window_capacity(
    sessions: Sessions,
    *,
    edges_s: Seconds,
    direction: Literal["reduce", "increase"],
    prices: PriceCurve | None = None,
    drawn_kwh: Floats | None = None,
) -> WindowCapacity:
    """Return what each session can do in a window.

    Args:
        sessions: n sessions whose energy fits their stay.
        edges_s: PTU boundaries of the window, shape (T + 1,), all PTUs of one length.
        direction: `reduce`: draw less than the baseline. `increase`: draw more.
        prices: with prices the baseline is charging in the cheapest PTUs of the stay (cars that cannot pause keep
            charging on arrival); without, it is charging on arrival.
        drawn_kwh: another baseline, such as a day-ahead plan (`day_ahead`): energy before the window and in each of its
            PTUs, shape (n, 1 + T).
    """
    ptu_h = float(edges_s[1] - edges_s[0]) / HOUR_S
    if drawn_kwh is None:
        drawn_kwh = _baseline_kwh(sessions, np.concatenate([[DISTANT_PAST_S], edges_s]), prices)
    hours = present_h(sessions.plug_in_s, sessions.plug_out_s, edges_s)
    rule = _held_back_kwh if direction == "reduce" else _taken_extra_kwh
    capacity_kwh, floor_kwh, departure_kwh = rule(sessions, drawn_kwh, hours, int(edges_s[-1]))
    ways = np.where(sessions.v2g, 2.0, 1.0)
    return WindowCapacity(
        capacity_kw=capacity_kwh / ptu_h,
        rated_kw=(ways * sessions.power_kw)[:, None] * hours / ptu_h,
        floor_kw=floor_kwh / ptu_h,
        departure_kw=departure_kwh / ptu_h,
    )


def _baseline_kwh(sessions: Sessions, edges_s: Seconds, prices: PriceCurve | None) -> Floats:
    drawn_kwh = arrival_kwh(sessions.plug_in_s, sessions.energy_kwh, sessions.power_kw, edges_s)
    if prices is None or not len(sessions):
        return drawn_kwh
    cheapest_kwh = price_kwh(
        sessions.plug_in_s, sessions.plug_out_s, sessions.energy_kwh, sessions.power_kw, edges_s, prices=prices
    )
    return np.where(sessions.floor_kw[:, None] > 0, drawn_kwh, cheapest_kwh)


def _held_back_kwh(sessions: Sessions, drawn_kwh: Floats, hours: Floats, ends_s: int) -> tuple[Floats, Floats, Floats]:
    """Energy per PTU under the baseline: all but the floor, until the rest of the stay could no longer make up for it.

    With e the energy in: withheld(t) = min(e_baseline(t) - e_floor(t), e_baseline(end) - must), where must is what
    the time after the window at full power cannot bring. A V2G car adds an even share of
    efficiency x (e(start) - must), unless it cannot pause.
    """
    steps = hours.shape[1]
    before_kwh = drawn_kwh[:, 0]
    baseline_kwh = np.cumsum(drawn_kwh[:, 1:], axis=1)
    at_floor_kwh = np.zeros_like(baseline_kwh)
    if sessions.floor_kw.any():
        floor_kw = np.minimum(sessions.floor_kw, sessions.power_kw)
        still_kwh = sessions.energy_kwh - before_kwh
        at_floor_kwh = np.minimum(np.cumsum(floor_kw[:, None] * hours, axis=1), still_kwh[:, None])
    after_kwh = sessions.power_kw * np.maximum(sessions.plug_out_s - ends_s, 0) / HOUR_S
    must_kwh = np.maximum(sessions.energy_kwh - after_kwh, 0.0)
    spare_kwh = np.maximum(before_kwh + baseline_kwh[:, -1] - must_kwh, 0.0)
    wanted_kwh = baseline_kwh - at_floor_kwh
    withheld_kwh = np.minimum(wanted_kwh, spare_kwh[:, None])
    capacity_kwh = _per_ptu(withheld_kwh)
    discharges = sessions.v2g & (sessions.floor_kw <= 0)
    if discharges.any():
        rest_kwh = np.where(discharges, np.maximum(before_kwh - must_kwh, 0.0), 0.0) * ROUND_TRIP_EFFICIENCY
        capacity_kwh += np.minimum(sessions.power_kw[:, None] * hours, rest_kwh[:, None] / steps)
    return (
        capacity_kwh,
        _per_ptu(at_floor_kwh),
        _per_ptu(wanted_kwh - withheld_kwh),
    )


def _taken_extra_kwh(
    sessions: Sessions, drawn_kwh: Floats, hours: Floats, ends_s: int
) -> tuple[Floats, Floats, Floats]:
    """Energy per PTU above the baseline: an even share of what the plan leaves for after the window."""
    del ends_s
    steps = hours.shape[1]
    later_kwh = np.maximum(sessions.energy_kwh - drawn_kwh.sum(axis=1), 0.0)
    room_kwh = np.maximum(sessions.power_kw[:, None] * hours - drawn_kwh[:, 1:], 0.0)
    extra_kwh = np.minimum(room_kwh, later_kwh[:, None] / steps)
    return extra_kwh, np.zeros_like(extra_kwh), np.zeros_like(extra_kwh)


def _per_ptu(cumulative_kwh: Floats) -> Floats:
    result = cumulative_kwh.copy(order="K")
    result[:, 1:] -= cumulative_kwh[:, :-1]
    return result
