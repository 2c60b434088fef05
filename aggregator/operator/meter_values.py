"""The meter values and minute readings of one asset: their keys are composite, so the admin has no pages for them."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE, PTU, day_interval, ptu_range, ptu_start
from aggregator.core.services import clock
from aggregator.core.units import kilowatt
from aggregator.operator.asked_day import asked_day
from aggregator.operator.charts import GREEN, Series, chart
from aggregator.operator.display import TO, duration, kilo, moment
from aggregator.operator.panels.cells import cell, page_of, table
from assets.models import Asset, MeterInterval, ReadingQuarter

DAYS = 3
PTUS_PER_HOUR = timedelta(hours=1) // PTU


@dataclass(frozen=True, slots=True)
class Reading:
    """The meter value of a PTU at its highest revision, and what it corrects, oldest first."""

    value: MeterInterval
    corrects: tuple[MeterInterval, ...]


def readings(*, asset_id: int, period: Interval) -> dict[datetime, Reading]:
    """Return the meter values of an asset by the start of the PTU (1 query)."""
    revisions: dict[datetime, list[MeterInterval]] = defaultdict(list)
    rows = MeterInterval.objects.filter(
        asset_id=asset_id, starts_at__gte=period.starts_at, starts_at__lt=period.ends_at
    ).order_by("starts_at", "revision")
    for row in rows:
        revisions[row.starts_at].append(row)
    return {starts_at: Reading(values[-1], tuple(values[:-1])) for starts_at, values in revisions.items()}


def by_the_minute(*, asset_id: int, period: Interval) -> list[ReadingQuarter]:
    """Return the minute readings of an asset added up per PTU, oldest first (1 query)."""
    return list(
        ReadingQuarter.objects.filter(
            asset_id=asset_id, starts_at__gte=period.starts_at, starts_at__lt=period.ends_at
        ).order_by("starts_at")
    )


@require_safe
def meter_values_view(request: HttpRequest, object_id: str, asset_admin: "ModelAdmin[Asset]") -> HttpResponse:
    """Show the last days to whoever may see the asset and meter values; `?until=2026-01-14` shows earlier ones."""
    asset = get_object_or_404(Asset.objects.select_related("partner"), pk=object_id if object_id.isdecimal() else None)
    may_see = asset_admin.has_view_permission(request, asset) and request.user.has_perm("assets.view_meterinterval")
    if not may_see:
        raise PermissionDenied
    now = clock().now()
    last_day = asked_day(request.GET.get("until")) or now.astimezone(MARKET_ZONE).date()
    context = {
        **asset_admin.admin_site.each_context(request),
        **meter_page(asset=asset, last_day=last_day, now=now),
        "title": f"Meter values of {asset}",
        "model_admin": asset_admin,  # whose lists the heading leads to
    }
    return TemplateResponse(request, "operator/meter_values.html", context)


def meter_page(*, asset: Asset, last_day: date, now: datetime) -> dict[str, Any]:
    """Return the page's chart and table, newest day first, for the days up to `last_day`."""
    first_day = last_day - timedelta(days=DAYS - 1)
    period = Interval(day_interval(first_day).starts_at, day_interval(last_day).ends_at)
    found = readings(asset_id=asset.pk, period=period)
    minutes = by_the_minute(asset_id=asset.pk, period=period)
    ptus = ptu_range(period)
    return {
        "asset": {"name": str(asset), "partner": asset.partner.name, "href": page_of(asset)},
        "chart": chart(
            labels=[moment(ptu)[5:] for ptu in ptus],
            series=[Series("Metered power", [_net_kw(found.get(ptu)) for ptu in ptus], GREEN, is_line=True)],
            unit="kW (negative feeds in)",
            description=f"Average power of {asset} per quarter hour; the table below has the same numbers.",
        ),
        "has_values": bool(found),
        "days": [
            {
                "title": f"{day:%A %-d %B %Y}",
                "table": table(
                    f"Meter values on {day:%A %-d %B %Y}",
                    "Quarter hour,#Taken kWh,#Fed in kWh,#Average kW,Quality,#Revision,Received,Corrects",
                    list(_rows(day_interval(day), found, now)),
                ),
                "minutes": table(
                    f"Minute readings on {day:%A %-d %B %Y}, added up",
                    "Quarter hour,#Average kW,#Minutes read",
                    [_minutes(row) for row in minutes if row.starts_at in day_interval(day)],
                ),
            }
            for day in (last_day - timedelta(days=back) for back in range(DAYS))
        ],
        "earlier": f"?until={first_day - timedelta(days=1):%Y-%m-%d}",
        "later": f"?until={last_day + timedelta(days=DAYS):%Y-%m-%d}",
        "is_latest": last_day >= now.astimezone(MARKET_ZONE).date(),
    }


def _rows(day: Interval, found: dict[datetime, Reading], now: datetime) -> Iterator[list[dict[str, str]]]:
    """Yield a row per value and one per gap, up to the last PTU that is over."""
    gap: list[datetime] = []
    for ptu in ptu_range(day):
        if ptu in found:
            yield from _gap(gap)
            gap = []
            yield _value(found[ptu])
        elif ptu + PTU <= ptu_start(now):
            gap.append(ptu)
    yield from _gap(gap)


def _gap(ptus: list[datetime]) -> Iterator[list[dict[str, str]]]:
    if ptus:
        missing = f"no value for {duration(len(ptus) * PTU)}"
        yield [cell(f"{moment(ptus[0])} {TO} {moment(ptus[-1] + PTU)[11:]}"), cell(missing, tone="warn")] + [
            cell("")
        ] * 6


def _value(reading: Reading) -> list[dict[str, str]]:
    value = reading.value
    return [
        cell(moment(value.starts_at)),
        cell(f"{value.import_wh / 1000:,.3f}"),
        cell(f"{value.export_wh / 1000:,.3f}"),
        cell(kilo(_net_w(value))),
        cell(value.get_quality_display(), tone="warn" if value.quality == MeterInterval.Quality.ESTIMATED else ""),
        cell(str(value.revision)),
        cell(moment(value.known_at)),
        cell("; ".join(f"revision {old.revision}: {kilo(_net_w(old))} kW" for old in reading.corrects)),
    ]


def _minutes(row: ReadingQuarter) -> list[dict[str, str]]:
    average_w = round((row.import_wmin - row.export_wmin) / row.minutes)
    return [cell(moment(row.starts_at)), cell(kilo(average_w)), cell(f"{row.minutes} of 15")]


def _net_w(value: MeterInterval) -> int:
    return (value.import_wh - value.export_wh) * PTUS_PER_HOUR


def _net_kw(reading: Reading | None) -> float | None:
    return None if reading is None else kilowatt(_net_w(reading.value))
