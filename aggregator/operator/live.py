"""One activation while it runs: delivered against ordered minute by minute, what is wrong, and what can be done."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Max, Min
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from aggregator.core.ptu import PTU, ptu_start
from aggregator.core.services import clock
from aggregator.operator.admin.base import HistoryAdmin
from aggregator.operator.charts import BLUE, GREEN, GREY, Chart, Series, chart
from aggregator.operator.display import clock_time, clock_times, kilo, moment, period
from aggregator.operator.panels.cells import cell, kw_or_gap, list_of, page_of, table
from bidding.dispatch.acts import possible_acts
from bidding.dispatch.report import cause_label, shortfalls
from bidding.models import Activation, ActivationSample, Duty

REFRESH_SECONDS = 60
SHOWN_FAILING = 50
ACTS = {
    "hold": "Hold: plan nothing new, let run what is told now",
    "resume": "Resume: steer again",
    "cap": "Cap what is delivered, or lift the cap",
    "stop": "Stop: let every asset go back to its own ways",
}


@require_safe
def live_view(request: HttpRequest, object_id: str, activation_admin: HistoryAdmin) -> HttpResponse:
    """Show an activation to whoever may see it; `?refresh=1` loads it anew every minute."""
    found = Activation.objects.select_related("aggregation_ean")
    activation = get_object_or_404(found, pk=object_id if object_id.isdecimal() else None)
    if not activation_admin.has_view_permission(request, activation):
        raise PermissionDenied
    context = {
        **activation_admin.admin_site.each_context(request),
        **live_page(activation, now=clock().now()),
        "title": f"{activation.aggregation_ean.name}, live",
        "model_admin": activation_admin,  # whose lists the heading leads to
        "may_act": activation_admin.has_act_permission(request),
        "refresh_seconds": REFRESH_SECONDS if "refresh" in request.GET else 0,
    }
    return TemplateResponse(request, "operator/live.html", context)


def live_page(activation: Activation, *, now: datetime) -> dict[str, Any]:
    """Return what the page says."""
    samples = list(activation.samples.order_by("at"))
    newest = samples[-1] if samples else None
    return {
        "activation": {
            "pk": activation.pk,
            "group": activation.aggregation_ean.name,
            "href": page_of(activation),
            "what": f"{activation.get_direction_display()}, {period(activation.starts_at, activation.ends_at)}",
        },
        "as_of": moment(now),
        "state": _state(newest),
        "notes": _notes(activation),
        "acts": [(name, ACTS[name]) for name in possible_acts(activation, now=now)],
        "acts_address": list_of(Activation),
        "chart": _chart(activation, samples) if samples else None,
        "tables": [_alarms(activation), _quarters(activation, samples, now), _failing(activation), _samples(samples)],
    }


def _state(newest: ActivationSample | None) -> dict[str, str]:
    if newest is None:
        return cell("Nothing measured yet: assets are looked at each minute from the start of the window.", tone="info")
    text = (
        f"{kilo(newest.delivered_w)} kW delivered of {kilo(max(newest.ordered_w, 0))} kW ordered at "
        f"{clock_time(newest.at)}, seen at {newest.seen:,} of {newest.members:,} assets. {_room(newest)}"
    ).strip()
    return cell(text, tone="good" if newest.delivered_w >= newest.ordered_w else "bad")


def _room(sample: ActivationSample) -> str:
    """Return in words what a limit allows beyond what is expected; empty where something is ordered."""
    return f"The limit leaves {kilo(-sample.ordered_w)} kW to catch up." if sample.ordered_w < 0 else ""


def _notes(activation: Activation) -> list[str]:
    notes = [*_limits("max_import_w", "take", activation), *_limits("max_export_w", "feed in", activation)]
    if activation.stop_reason:
        notes.append(f"Stopped by an operator: {activation.stop_reason}")
    if activation.hold_reason:
        notes.append(f"On hold, nothing new is planned: {activation.hold_reason}")
    if activation.cap_w is not None:
        notes.append(f"Capped by an operator: no more than {kilo(activation.cap_w)} kW is delivered.")
    return [*notes, activation.shortfall_note] if activation.shortfall_note else notes


def _limits(field: str, verb: str, activation: Activation) -> list[str]:
    """Return in words what a called limit lets the group do; nothing where it sets none."""
    low_w, high_w = activation.ptus.aggregate(low=Min(field), high=Max(field)).values()
    if low_w is None:
        return []
    most = (
        f"{kilo(low_w)} kW" if low_w == high_w else f"{kilo(low_w)} to {kilo(high_w)} kW, depending on the quarter hour"
    )
    return [f"A called limit: all of the group together may {verb} at most {most}."]


def _chart(activation: Activation, samples: list[ActivationSample]) -> Chart:
    return chart(
        labels=[clock_time(sample.at) for sample in samples],
        unit="kW",
        series=[
            Series(
                "Ordered, below zero room to catch up",
                [kw_or_gap(sample.ordered_w) for sample in samples],
                BLUE,
                is_line=True,
            ),
            Series("Planned", [kw_or_gap(sample.asked_w) for sample in samples], GREY, is_line=True, is_dashed=True),
            Series("Delivered", [kw_or_gap(sample.delivered_w) for sample in samples], GREEN),
        ],
        description=f"Ordered, planned and delivered power of {activation.aggregation_ean.name} each minute; the last "
        "table has the same numbers.",
    )


def _alarms(activation: Activation) -> dict[str, Any]:
    rows = [
        [
            cell(alarm.get_kind_display(), tone="" if alarm.cleared_at else "bad"),
            cell(alarm.message),
            cell(clock_time(alarm.raised_at)),
            cell(clock_time(alarm.cleared_at) if alarm.cleared_at else "open"),
        ]
        for alarm in activation.alarms.order_by("cleared_at", "-raised_at")
    ]
    rows.sort(key=lambda row: row[3]["text"] != "open")
    return table("Alarms", "Alarm,What,Since,Until", rows)


def _quarters(activation: Activation, samples: list[ActivationSample], now: datetime) -> dict[str, Any]:
    """Return the quarter hours that are over or were looked at: one that just began has not missed anything yet."""
    looked_at = {ptu_start(sample.at) for sample in samples}
    rows = [
        [
            cell(clock_times(row.ptu_start, row.ptu_start + PTU)),
            cell(kilo(row.ordered_w)),
            cell(kilo(row.delivered_w)),
            cell(kilo(row.missing_w), tone="bad" if row.missing_w else ""),
            cell("; ".join(f"{cause_label(cause)}: {kilo(watts)} kW" for cause, watts in row.causes_w.items())),
        ]
        for row in shortfalls(activation)
        if row.ptu_start in looked_at or row.ptu_start + PTU <= now
    ]
    return table(
        "Quarter hours: delivered, missed and why", "Quarter hour,#Ordered kW,#Delivered kW,#Missed kW,Why", rows
    )


def _failing(activation: Activation) -> dict[str, Any]:
    failing = list(
        Duty.objects.filter(activation=activation)
        .exclude(cause="")
        .select_related("asset__partner")
        .order_by("cause", "failed_at", "pk")
    )
    counts = Counter(duty.get_cause_display() for duty in failing)
    caption = ", ".join(f"{number:,} {cause.lower()}" for cause, number in counts.most_common())
    rows = [
        [
            cell(str(duty.asset), href=page_of(duty.asset)),
            cell(duty.asset.partner.name),
            cell(duty.get_cause_display()),
            cell(clock_time(duty.failed_at) if duty.failed_at else ""),
            cell(kilo(duty.asked_w)),
            cell(kilo(duty.measured_w)),
        ]
        for duty in failing[:SHOWN_FAILING]
    ]
    return table(f"Assets that do not do their part: {caption}", "Asset,Partner,Why,Since,#Asked kW,#Measured kW", rows)


def _samples(samples: list[ActivationSample]) -> dict[str, Any]:
    rows = [
        [
            cell(clock_time(sample.at)),
            cell(kilo(max(sample.ordered_w, 0)), note=_room(sample)),
            cell(kilo(sample.asked_w)),
            cell(kilo(sample.delivered_w), tone="good" if sample.delivered_w >= sample.ordered_w else "bad"),
            cell(f"{sample.seen:,} of {sample.members:,}"),
        ]
        for sample in reversed(samples)
    ]
    return table("Minute by minute", "At,#Ordered kW,#Planned kW,#Delivered kW,Seen", rows)
