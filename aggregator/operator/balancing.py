"""What groups held as balancing energy in the last day and next quarter hours, and what was bid of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU, ptu_range, ptu_start
from aggregator.core.services import clock
from aggregator.operator.admin.base import HistoryAdmin
from aggregator.operator.balancing_bids import bids_section, whether_it_is_sold
from aggregator.operator.charts import BLUE, GREY, ORANGE, Chart, Series, chart
from aggregator.operator.display import TO, clock_times, duration, kilo, moment
from aggregator.operator.panels.balancing_live import balancing_live
from aggregator.operator.panels.cells import cell, kw_or_gap, list_of, page_of, table
from aggregator.operator.panels.record import KEPT_HEADERS, record_row
from assets.models import AggregationEan
from bidding.markets.afrr.terms import WATT_PER_MEGAWATT
from bidding.models import BalancingHeadroom, Direction
from bidding.optimisation.balancing import next_to_size
from bidding.optimisation.track_record import track_records
from bidding.services import afrr_terms
from bidding.track_record import replayed_headroom, replayed_pool

SHOWN = timedelta(days=1)
RECORDED = timedelta(days=90)
UP, DOWN = Direction.REDUCE, Direction.INCREASE

Key = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class Power:
    """What one group or several hold in one PTU and direction, of how many it is known, and why it is no more."""

    reliable_w: int
    free_w: int
    groups: int
    limited_by: str

    @classmethod
    def of(cls, row: BalancingHeadroom) -> Self:
        """Return that of one group."""
        return cls(row.reliable_w, row.free_w, 1, row.limited_by)

    def __add__(self, other: "Power") -> "Power":
        return Power(self.reliable_w + other.reliable_w, self.free_w + other.free_w, self.groups + other.groups, "")


@require_safe
def balancing_view(request: HttpRequest, headroom_admin: HistoryAdmin) -> HttpResponse:
    """Show it to whoever may see the rows it is made of."""
    if not headroom_admin.has_view_permission(request):
        raise PermissionDenied
    context = {
        **headroom_admin.admin_site.each_context(request),
        **balancing_page(now=clock().now(), with_bids=request.user.has_perm("bidding.view_balancingbid")),
        "live": balancing_live(now=clock().now()),
        "title": "Balancing energy",
        "model_admin": headroom_admin,  # whose lists the heading leads to
    }
    return TemplateResponse(request, "operator/balancing.html", context)


def balancing_page(*, now: datetime, with_bids: bool = True) -> dict[str, Any]:
    """Return what the page says: bids, record, all groups together, then each (8 queries)."""
    newest = next_to_size(now, gate=settings.AFRR_GATE)
    period = Interval(ptu_start(now) - SHOWN, newest + PTU)
    groups = list(AggregationEan.objects.filter(is_sized_for_balancing=True).order_by("name", "ean"))
    rows = list(
        BalancingHeadroom.objects.filter(
            aggregation_ean__in=groups, ptu_start__gte=period.starts_at, ptu_start__lt=period.ends_at
        )
    )
    each = {group: _by_ptu(row for row in rows if row.aggregation_ean_id == group.pk) for group in groups}
    return {
        "as_of": moment(now),
        "state": whether_it_is_sold(groups),
        "bids": bids_section(period, now=now) if with_bids else None,
        "record": _record(now),
        "gate": duration(settings.AFRR_GATE),
        "all_rows": list_of(BalancingHeadroom),
        "groups_address": list_of(AggregationEan),
        "sections": [
            _section("All groups together", _by_ptu(rows), period, of=len(groups)),
            *(_section(group.name, powers, period, href=page_of(group)) for group, powers in each.items()),
        ]
        if groups
        else [],
    }


def _record(now: datetime) -> dict[str, Any]:
    """Return the table of what was held in hindsight, by group and promise, and of several together (3 queries)."""
    tallies = replayed_headroom(since=now - RECORDED)
    names = dict(AggregationEan.objects.filter(pk__in=tallies).values_list("pk", "name"))
    each = [(names[ean], tallies[ean]) for ean in sorted(tallies, key=lambda ean: (names[ean], ean))]
    together = [("All groups together", replayed_pool(since=now - RECORDED))] if len(each) > 1 else []
    rows = [[cell(name), *record_row(one)] for name, of_group in [*together, *each] for one in track_records(of_group)]
    return table("Power that would have been held", f"Group,{KEPT_HEADERS}".replace("Windows", "Quarter hours"), rows)


def _by_ptu(rows: Iterable[BalancingHeadroom]) -> dict[Key, Power]:
    powers: dict[Key, Power] = {}
    for row in rows:
        key, power = (row.ptu_start, row.direction), Power.of(row)
        powers[key] = powers[key] + power if key in powers else power
    return powers


def _section(
    name: str, powers: Mapping[Key, Power], period: Interval, *, of: int = 0, href: str = ""
) -> dict[str, Any]:
    """Return the chart and table of one group, or of the pool of `of` groups."""
    ptus = ptu_range(period)
    newest = ptus[-1]
    return {
        "name": name,
        "href": href,
        "next": f"{clock_times(newest, newest + PTU)}: {_next(powers, newest, is_pool=bool(of))}",
        "chart": _chart(name, powers, ptus),
        "gaps": "Where a group was not sized, it is not in the sum: the table says how many are."
        if of
        else "A gap was not sized; it is not zero.",
        "table": _pool_table(name, powers, ptus, of) if of else _group_table(name, powers, ptus),
    }


def _next(powers: Mapping[Key, Power], ptu: datetime, *, is_pool: bool) -> str:
    """Return in words what is not sold of the newest PTU."""
    found = [powers.get((ptu, direction)) for direction in (UP, DOWN)]
    if None in found:
        return "not sized yet."
    words = (
        f"{_free(power)} kW {way}" + (f", that is {_megawatt_to_bid(power)} MW" if is_pool else "")
        for power, way in zip(found, ("up", "down"), strict=True)
        if power
    )
    return f"{'; '.join(words)}."


def _megawatt_to_bid(power: Power) -> int:
    return afrr_terms().power_to_bid_w(power.free_w) // WATT_PER_MEGAWATT


def _free(power: Power) -> str:
    """Return what is not sold, beside what there is where that is more."""
    free = kilo(power.free_w)
    return free if power.free_w == power.reliable_w else f"{free} of {kilo(power.reliable_w)}"


def _chart(name: str, powers: Mapping[Key, Power], ptus: tuple[datetime, ...]) -> Chart:
    def reliable_kw(direction: Direction) -> list[float | None]:
        found = (powers.get((ptu, direction)) for ptu in ptus)
        return [kw_or_gap(power.reliable_w if power else None) for power in found]

    smallest_kw = [kw_or_gap(afrr_terms().minimum_power_w)] * len(ptus)
    return chart(
        labels=[moment(ptu)[5:] for ptu in ptus],
        series=[
            Series("Up: consume less", reliable_kw(UP), BLUE, is_line=True),
            Series("Down: consume more", reliable_kw(DOWN), ORANGE, is_line=True),
            Series("1 MW: the smallest bid", smallest_kw, GREY, is_line=True, is_dashed=True),
        ],
        unit="kW",
        description=f"Reliable power of {name}, up and down, per quarter hour, beside the smallest bid of 1 MW; the "
        "table below has the same numbers.",
    )


def _group_table(name: str, powers: Mapping[Key, Power], ptus: tuple[datetime, ...]) -> dict[str, Any]:
    rows = [
        [
            cell(_quarter(ptu)),
            *(_cell(power, field) for power in both for field in ("reliable_w", "free_w")),
            *(cell(power.limited_by if power else "not sized") for power in both),
        ]
        for ptu in reversed(ptus)
        for both in [[powers.get((ptu, direction)) for direction in (UP, DOWN)]]
        if any(both)
    ]
    headers = "Quarter hour,#Up kW,#Up not sold kW,#Down kW,#Down not sold kW,Why not more up,Why not more down"
    return table(f"Quarter hours of {name}", headers, rows)


def _pool_table(name: str, powers: Mapping[Key, Power], ptus: tuple[datetime, ...], of: int) -> dict[str, Any]:
    rows = [
        [
            cell(_quarter(ptu)),
            *(
                one
                for power in both
                for one in (
                    _cell(power, "reliable_w"),
                    _cell(power, "free_w"),
                    cell(str(_megawatt_to_bid(power)) if power else ""),
                )
            ),
            cell(f"{sized} of {of}", tone="" if sized == of else "warn"),
        ]
        for ptu in reversed(ptus)
        for both in [[powers.get((ptu, direction)) for direction in (UP, DOWN)]]
        for sized in [min(power.groups if power else 0 for power in both)]
        if any(both)
    ]
    headers = "Quarter hour,#Up kW,#Up not sold kW,#Up whole MW,#Down kW,#Down not sold kW,#Down whole MW,#Groups sized"
    return table(f"Quarter hours of {name.lower()}", headers, rows)


def _cell(power: Power | None, field: str) -> dict[str, str]:
    return cell(kilo(getattr(power, field) if power else None))


def _quarter(ptu: datetime) -> str:
    return f"{moment(ptu)} {TO} {moment(ptu + PTU)[11:]}"
