"""What TenneT settles of balancing energy, day by day, beside meters and the money of groups."""

import csv
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from aggregator.core.ptu import MARKET_ZONE, PTU
from aggregator.core.services import clock
from aggregator.core.words import counted
from aggregator.operator.admin.base import HistoryAdmin
from aggregator.operator.asked_day import FIRST_DAY, LAST_DAY, asked_day
from aggregator.operator.charts import BLUE, GREEN, GREY, ORANGE, Chart, Series, chart
from aggregator.operator.display import MISSING, TO, euros, moment
from aggregator.operator.panels.cells import cell, list_of, table
from settlement.balancing.findings import Quarter, findings_of, requested_wh, summary
from settlement.balancing.money import settled
from settlement.balancing.operations import TELL_AFTER
from settlement.balancing.reading import Adjustment, Day, adjustments, days_with_balancing
from settlement.models import BalancingSettlement, Delivery

DAYS = 14
UP, DOWN = "reduce", "increase"
BASIS = "pro rata to the parts of groups in our bid: our reading"


@require_safe
def overview_view(request: HttpRequest, settlement_admin: HistoryAdmin) -> HttpResponse:
    """List the last days to whoever may see settlements; `?until=2026-01-14` lists earlier ones."""
    _require_permission(request, settlement_admin)
    today = clock().now().astimezone(MARKET_ZONE).date()
    last = min(asked_day(request.GET.get("until")) or LAST_DAY, today - timedelta(days=1))
    first = max(last - timedelta(days=DAYS - 1), FIRST_DAY)
    days = days_with_balancing(first, last)
    context = {
        **settlement_admin.admin_site.each_context(request),
        "title": "Balancing energy: what TenneT settles",
        "model_admin": settlement_admin,  # whose lists the heading leads to
        "period": f"{first:%-d %B} {TO} {last:%-d %B %Y}",
        "table": table("Days with balancing energy", _HEADERS, [_overview_row(one, today) for one in days]),
        "all_rows": list_of(BalancingSettlement),
        "earlier": f"?until={first - timedelta(days=1)}",
        "later": f"?until={last + timedelta(days=DAYS)}",
        "is_latest": last == today - timedelta(days=1),
    }
    return TemplateResponse(request, "operator/balancing_settlements.html", context)


@require_safe
def day_view(request: HttpRequest, day: str, settlement_admin: HistoryAdmin) -> HttpResponse:
    """Show one day, quarter hour by quarter hour."""
    _require_permission(request, settlement_admin)
    found = _found(day)
    today = clock().now().astimezone(MARKET_ZONE).date()
    context = {
        **settlement_admin.admin_site.each_context(request),
        **day_page(found, today=today),
        "title": f"Balancing energy of {found.day:%A %-d %B %Y}",
        "model_admin": settlement_admin,
    }
    return TemplateResponse(request, "operator/balancing_settlement.html", context)


@require_safe
def adjustments_view(request: HttpRequest, day: str, settlement_admin: HistoryAdmin) -> HttpResponse:
    """Give the requested energy of a day by balance responsible party, as CSV."""
    _require_permission(request, settlement_admin)
    found = _found(day)
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="balancing-{found.day}-by-brp.csv"'
    write_adjustments(answer, adjustments(found.day))
    return answer


def write_adjustments(file: Any, rows: list[Adjustment]) -> None:
    """Write what is each BRP's into `file`; a quarter hour without energy has no row."""
    writer = csv.writer(file)
    writer.writerow(["quarter_hour_utc", "quarter_hour_dutch", "direction", "brp", "requested_wh", "basis"])
    for row in rows:
        if row.requested_wh:
            direction = "up" if row.direction == UP else "down"
            basis = BASIS if row.brp else "asked without a bid of ours"
            start = f"{row.ptu_start:%Y-%m-%dT%H:%M:%SZ}"
            writer.writerow([start, moment(row.ptu_start), direction, row.brp, row.requested_wh, basis])


def day_page(day: Day, *, today: date) -> dict[str, Any]:
    """Return what the page of a day says."""
    return {
        "state": state_of(day, today=today),
        "waiting": _waiting(day),
        "overview": reverse("admin:settlement_balancingsettlement_overview"),
        "all_rows": list_of(BalancingSettlement),
        "deliveries": list_of(Delivery, "activation__is_balancing__exact=1"),
        "adjustments": reverse("admin:settlement_balancingsettlement_adjustments", args=[day.day]),
        "is_settled": day.settlement is not None,
        "received": moment(day.settlement.received_at) if day.settlement else MISSING,
        "findings": summary(day.quarters),
        "money": _money(day),
        "chart": _chart(day),
        "table": table(f"Quarter hours of {day.day}", _QUARTER_HEADERS, _quarter_rows(day)),
    }


def state_of(day: Day, *, today: date) -> dict[str, str]:
    """Return in words how far TenneT is with a day."""
    if day.settlement is not None:
        word, tone = ("final", "good") if day.settlement.is_final else ("provisional", "info")
        return cell(f"{word}, version {day.settlement.version}", tone=tone)
    if today - day.day >= TELL_AFTER:
        return cell(f"not settled after {counted((today - day.day).days, 'day')}: ask TenneT", tone="bad")
    return cell("not settled by TenneT yet", tone="info")


_HEADERS = (
    "Day,State,#Up asked MWh,#Up metered MWh,#Down asked MWh,#Down metered MWh,#From TenneT,#To groups,#Penalty,"
    "#Left for us,To look at"
)
_QUARTER_HEADERS = (
    "Quarter hour,#Up asked kWh,#Up metered kWh,#Up per MWh,#Down asked kWh,#Down metered kWh,#Down per MWh,"
    "#From TenneT,#Penalty,To look at"
)


def _overview_row(day: Day, today: date) -> list[dict[str, str]]:
    href = reverse("admin:settlement_balancingsettlement_day", args=[day.day])
    first = [cell(f"{day.day:%a %-d %b %Y}", href=href), state_of(day, today=today)]
    if day.settlement is None:
        return first + [cell(MISSING)] * 8 + [cell(_waiting(day))]
    money, looks = day.money, sum(bool(findings_of(quarter)) for quarter in day.quarters)
    energies = [energy for way in (UP, DOWN) for energy in (day.requested_wh(way), day.delivered_wh(way))]
    return [
        *first,
        *(cell(MISSING if energy is None else f"{Decimal(energy) / 1_000_000:,.3f}") for energy in energies),
        cell(euros(money.amount_eur)),
        cell(euros(money.groups_receive_eur - money.groups_pay_eur)),
        cell(euros(money.penalty_eur), tone="warn" if money.penalty_eur else ""),
        cell(euros(None if day.waiting else money.result_eur)),
        cell(counted(looks, "quarter hour"), tone="warn", note=_waiting(day))
        if looks
        else cell("nothing", note=_waiting(day)),
    ]


def _waiting(day: Day) -> str:
    return f"{counted(day.waiting, 'part')} of groups not settled yet" if day.waiting else ""


def _money(day: Day) -> list[dict[str, str]]:
    money = day.money
    lines = [
        ("TenneT pays for the energy it asked for", money.amount_eur),
        ("Groups receive for what meters show", -money.groups_receive_eur),
        ("Groups pay, and each partner its share of it", money.groups_pay_eur),
        ("Penalty for what was missed", -money.penalty_eur),
        ("Left for us", None if day.waiting else money.result_eur),
    ]
    return [{"name": name, "amount": euros(amount)} for name, amount in lines]


def _chart(day: Day) -> Chart:
    def asked(way: str) -> list[float | None]:
        return [requested_wh(quarter.told, way) / 1000 for quarter in day.quarters]

    def metered(way: str) -> list[float | None]:
        found = (quarter.delivered_wh.get(way) for quarter in day.quarters)
        return [None if energy_wh is None else energy_wh / 1000 for energy_wh in found]

    return chart(
        labels=[moment(quarter.told.starts_at)[11:] for quarter in day.quarters],
        series=[
            Series("Up: asked", asked(UP), BLUE, is_line=True),
            Series("Up: metered", metered(UP), GREEN, is_line=True, is_dashed=True),
            Series("Down: asked", asked(DOWN), ORANGE, is_line=True),
            Series("Down: metered", metered(DOWN), GREY, is_line=True, is_dashed=True),
        ],
        unit="kWh per quarter hour",
        description=f"Energy that TenneT asked for on {day.day}, up and down, beside what meters show; the table below "
        "has the same numbers.",
    )


def _quarter_rows(day: Day) -> list[list[dict[str, str]]]:
    return [_quarter_row(quarter) for quarter in day.quarters if _is_shown(quarter)]


def _is_shown(quarter: Quarter) -> bool:
    is_asked = any(settled(quarter.told, way).requested_mwh for way in (UP, DOWN))
    return bool(is_asked or quarter.bid_w or quarter.delivered_wh or findings_of(quarter))


def _quarter_row(quarter: Quarter) -> list[dict[str, str]]:
    told, looks = quarter.told, findings_of(quarter)
    return [
        cell(_quarter(told.starts_at)),
        *(one for way in (UP, DOWN) for one in _direction_cells(quarter, way)),
        cell(euros(told.amount_eur)),
        cell(euros(told.penalty_eur), tone="warn" if told.penalty_eur else ""),
        cell("; ".join(finding.text for finding in looks), tone="warn" if looks else ""),
    ]


def _direction_cells(quarter: Quarter, way: str) -> list[dict[str, str]]:
    asked_wh, metered_wh = requested_wh(quarter.told, way), quarter.delivered_wh.get(way)
    return [
        cell(f"{asked_wh / 1000:,.3f}"),
        cell(MISSING if metered_wh is None else f"{metered_wh / 1000:,.3f}"),
        cell(euros(settled(quarter.told, way).price_eur_per_mwh)),
    ]


def _quarter(ptu: datetime) -> str:
    return f"{moment(ptu)[11:]} {TO} {moment(ptu + PTU)[11:]}"


def _require_permission(request: HttpRequest, settlement_admin: HistoryAdmin) -> None:
    if not settlement_admin.has_view_permission(request):
        raise PermissionDenied


def _found(text: str) -> Day:
    day = asked_day(text)
    found = days_with_balancing(day, day) if day else []
    if not found:
        raise Http404("There was no balancing energy on that day.")
    return found[0]
