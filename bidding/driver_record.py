"""Reading what drivers went without when their group was called, and the limit on their risk that follows from it.

Only called windows teach, and of these only those in which a car was asked something: orders that were stopped before
they began, and limits that were never reached, are none. In the backtest a day without a bid counts as one on which
nobody lost anything; in the field calls are rare, and quiet weeks would lift the limit to its top without a word on
what a call costs drivers.

The record reaches back as far as the sessions that bids are sized from, twelve weeks, with one window a day at most. A
group whose drivers miss the promised 0.5 % in each window is at the lowest limit after 66; and one that gets no bid any
more, so that nothing new is learned, is tried again with the first limit.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast

from django.core.cache import cache
from django.db import connection
from django.db.models import Exists, OuterRef

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE, day_interval
from assets.models import AggregationEan, Setpoint
from bidding.dispatch.allocation.driver_budget import DriverBudget
from bidding.models import Activation
from bidding.models.directions import Direction
from bidding.portfolio import HISTORY, LONGEST_STAY, PLUGGED_KINDS

WH_PER_KWH = 1_000
CACHED_FOR_S = 2 * 86_400

_Losses = list[tuple[int, int]]
"""Called windows: what drivers missed, and what they came for [Wh]."""

KNOWN_AFTER = timedelta(days=1)
"""After a window: by then its cars are gone or had the time to be full again, with 88 kWh at 3.7 kW."""


@dataclass(frozen=True, slots=True)
class DriverRecord:
    """What became of a group's drivers, and the most risk one may be put to.

    Attributes:
        most_risk: lost kWh per kWh brought that a bid may count on (`DriverBudget`).
        windows: called windows of which it is known what drivers went without.
        missed_wh: what those present in them went without.
        energy_wh: what those came for who plugged in within the 24 hours to a window's end.
    """

    most_risk: float
    windows: int
    missed_wh: int
    energy_wh: int

    @property
    def missed_share(self) -> float | None:
        """Share of their energy that drivers missed; None when nothing is known."""
        return self.missed_wh / self.energy_wh if self.energy_wh else None

    def to_json(self) -> dict[str, float | None]:
        """Return what a bid remembers of it."""
        return {"most_risk": self.most_risk, "windows": self.windows, "missed_share": self.missed_share}


def driver_record(*, aggregation_ean: AggregationEan, now: datetime) -> DriverRecord:
    """Return the record as it was when the local day began, the same all day (2 queries, by the first who asks).

    So what was rehearsed for one bid holds for the next, and what was sized in the morning is kept alike in the
    evening, whatever is reported in between.
    """
    today = now.astimezone(MARKET_ZONE).date()
    windows = cache.get_or_set(
        f"missed-when-called:{aggregation_ean.ean}:{today}",
        lambda: _missed_wh_of_wh(aggregation_ean, day_interval(today).starts_at),
        timeout=CACHED_FOR_S,
    )
    return _record_of(cast("_Losses", windows))


def _record_of(windows: _Losses) -> DriverRecord:
    budget = DriverBudget()
    for missed_wh, energy_wh in windows:
        budget.record(unserved_kwh=missed_wh / WH_PER_KWH, energy_kwh=energy_wh / WH_PER_KWH)
    return DriverRecord(
        most_risk=budget.most_risk,
        windows=len(windows),
        missed_wh=sum(missed_wh for missed_wh, _ in windows),
        energy_wh=sum(energy_wh for _, energy_wh in windows),
    )


# A session belongs to the first called window that ended after it began, so that what its driver missed counts once.
# Those of which nobody told what they could have taken say nothing. They are numbered apart, for joined at once each
# would be held against each window.
_WINDOWS = """
    WITH past AS MATERIALIZED (
        SELECT session.plug_in_at, session.plug_out_at, session.energy_wh, session.required_energy_wh,
               membership.period, width_bucket(session.plug_in_at, %(ends)s::timestamptz[]) + 1 AS number
          FROM assets_membership AS membership
          JOIN assets_chargingsession AS session USING (asset_id)
         WHERE membership.aggregation_ean_id = %(ean)s
           AND session.plug_in_at >= %(first)s AND session.plug_in_at < %(last)s
           AND session.plug_out_at <= %(known)s AND session.required_energy_wh IS NOT NULL
    )
    SELECT COALESCE(sum(past.required_energy_wh - past.energy_wh) FILTER (
               WHERE past.required_energy_wh > past.energy_wh AND past.plug_out_at > called.starts_at), 0),
           COALESCE(sum(past.required_energy_wh) FILTER (
               WHERE past.plug_in_at >= called.ends_at - interval '24 hours'), 0)
      FROM past
      JOIN unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) WITH ORDINALITY
           AS called (starts_at, ends_at, number) USING (number)
     WHERE past.period @> called.starts_at
       AND (past.plug_out_at > called.starts_at OR past.plug_in_at >= called.ends_at - interval '24 hours')
     GROUP BY number ORDER BY number
"""


def _missed_wh_of_wh(aggregation_ean: AggregationEan, begins_at: datetime) -> _Losses:
    """Return what drivers missed in each called window, of what they came for: plain numbers, as they are kept."""
    asked_of_cars = Setpoint.objects.filter(
        batch__aggregation_ean=aggregation_ean,
        batch__order_reference=OuterRef("reference"),
        asset__kind__in=PLUGGED_KINDS,
    )
    orders = Activation.objects.filter(
        Exists(asked_of_cars),
        aggregation_ean=aggregation_ean,
        direction=Direction.REDUCE,  # taking more puts no driver to a risk
        starts_at__gte=begins_at - HISTORY,
        ends_at__lte=begins_at - KNOWN_AFTER,
    ).order_by("starts_at")
    windows = _windows(Interval(*period) for period in orders.values_list("starts_at", "ends_at"))
    if not windows:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _WINDOWS,
            {
                "ean": aggregation_ean.ean,
                "starts": [window.starts_at for window in windows],
                "ends": [window.ends_at for window in windows],
                "first": windows[0].starts_at - LONGEST_STAY,
                "last": windows[-1].ends_at,
                "known": begins_at,
            },
        )
        return [(int(missed_wh), int(energy_wh)) for missed_wh, energy_wh in cursor.fetchall()]


def _windows(orders: Iterable[Interval]) -> list[Interval]:
    """Return windows of orders that come by their start: those of one local day, or that overlap, are one."""
    windows: list[Interval] = []
    for order in orders:
        if windows and (order.starts_at < windows[-1].ends_at or _day(order) == _day(windows[-1])):
            windows[-1] = Interval(windows[-1].starts_at, max(windows[-1].ends_at, order.ends_at))
        else:
            windows.append(order)
    return windows


def _day(window: Interval) -> date:
    return window.starts_at.astimezone(MARKET_ZONE).date()
