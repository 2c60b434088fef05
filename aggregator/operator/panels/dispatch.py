"""What runs, and how the assets follow."""

from datetime import datetime
from typing import Any

from django.urls import reverse

from aggregator.core.interval import Interval
from aggregator.core.ptu import PTU
from aggregator.core.words import counted
from aggregator.operator import queries
from aggregator.operator.charts import BLUE, GREEN, GREY, LIGHT_GREEN, Chart, Series, chart
from aggregator.operator.display import clock_time, clock_times, duration, kilo, period, shortened
from aggregator.operator.panels import balancing_live
from aggregator.operator.panels.cells import cell, kw_or_gap, list_of, page_of, table
from aggregator.operator.queries import ActivationNow, Quarter
from assets.models import AssetState, Partner, Setpoint
from bidding.models import Activation, Direction, DispatchAlarm

_BAD = (Setpoint.Status.REJECTED, Setpoint.Status.NOT_FOLLOWED)


def _bad(partner: Partner, status: str, number: int) -> dict[str, str]:
    return cell(f"{number:,}", tone="bad", href=_setpoints(partner, status)) if number else cell("0")


def activations(*, now: datetime) -> dict[str, Any]:
    """Return what runs, comes next or waits for meter values, with ordered against metered in each PTU."""
    found = queries.activations_now()
    return {
        "list": list_of(Activation),
        "rows": [_activation(one, now) for one in found],
        "attention": [
            *_open_alarms(),
            *balancing_live.attention(now=now),
            *(_stopped(one.activation) for one in found if one.activation.stop_reason and now < one.activation.ends_at),
        ],
    }


def _open_alarms() -> list[dict[str, str]]:
    alarms = DispatchAlarm.objects.filter(cleared_at=None).select_related("activation__aggregation_ean")
    return [
        {
            "text": f"{alarm.activation.aggregation_ean.name}: {alarm.get_kind_display().lower()}. {alarm.message}",
            "href": _live(alarm.activation),
            "tone": "bad",
        }
        for alarm in alarms.order_by("raised_at", "pk")
    ]


def _stopped(activation: Activation) -> dict[str, str]:
    return {
        "text": f"{activation.aggregation_ean.name}: stopped by an operator ({shortened(activation.stop_reason, 60)}).",
        "href": page_of(activation),
        "tone": "warn",
    }


def _live(activation: Activation) -> str:
    return reverse("admin:bidding_activation_live", args=[activation.pk])


def _activation(one: ActivationNow, now: datetime) -> dict[str, Any]:
    activation = one.activation
    return {
        "title": f"{activation.aggregation_ean.name}: {activation.get_direction_display().lower()}",
        "href": page_of(activation),
        "live": _live(activation),
        "status": cell(_state(activation), tone=_tone(activation)),
        "period": period(activation.starts_at, activation.ends_at),
        "when": _when(activation, now),
        "shortfall": activation.shortfall_note,
        "chart": _activation_chart(one),
        "quarters": table(
            f"{activation.aggregation_ean.name}: ordered against metered",
            "Quarter hour,#Ordered kW,#Expected kW,#Metered kW,Meter values in,#Moved kW",
            [_quarter(quarter, activation.direction, now) for quarter in one.quarters],
        ),
    }


def _state(activation: Activation) -> str:
    return "Stopped" if activation.stop_reason else activation.get_status_display()


def _tone(activation: Activation) -> str:
    if activation.stop_reason:
        return "bad"
    return {Activation.Status.RUNNING: "good", Activation.Status.FINISHED: ""}.get(
        Activation.Status(activation.status), "info"
    )


def _when(activation: Activation, now: datetime) -> str:
    if now < activation.starts_at:
        return f"starts in {duration(activation.starts_at - now)}"
    if now < activation.ends_at:
        return f"{duration(activation.ends_at - now)} to go"
    return f"ended {duration(now - activation.ends_at)} ago"


def moved_w(quarter: Quarter, direction: str) -> int | None:
    """Return how far consumption is from what was expected, towards the order; None unless all meter values are in."""
    if quarter.expected_w is None or quarter.metered_w is None or not quarter.is_complete:
        return None
    less_w = quarter.expected_w - quarter.metered_w
    return -less_w if direction == Direction.INCREASE else less_w


def _quarter(quarter: Quarter, direction: str, now: datetime) -> list[dict[str, str]]:
    moved = moved_w(quarter, direction)
    tone = "" if moved is None else "good" if moved >= quarter.ordered_w else "bad"
    return [
        cell(clock_times(quarter.starts_at, quarter.starts_at + PTU)),
        cell(kilo(quarter.ordered_w), note=_limit(quarter, direction)),
        cell(kilo(quarter.expected_w)),
        cell(kilo(quarter.metered_w), tone=_limit_tone(quarter, direction)),
        cell(_received(quarter, now)),
        cell(kilo(moved), tone=tone),
    ]


def _limit(quarter: Quarter, direction: str) -> str:
    """Return what a call allows, in words; empty where an order moves power and sets no limit."""
    if quarter.limit_w is None:
        return ""
    way = "fed in" if direction == Direction.INCREASE else "taken"
    return f"at most {kilo(abs(quarter.limit_w))} kW {way}"


def _limit_tone(quarter: Quarter, direction: str) -> str:
    if quarter.limit_w is None or quarter.metered_w is None or not quarter.is_complete:
        return ""
    over_w = quarter.metered_w - quarter.limit_w
    return "good" if (over_w >= 0 if direction == Direction.INCREASE else over_w <= 0) else "bad"


def _received(quarter: Quarter, now: datetime) -> str:
    if quarter.received:
        return f"{quarter.received:,} of {quarter.members:,}"
    if now < quarter.starts_at:
        return "not yet"
    return "under way" if now < quarter.starts_at + PTU else f"none of {quarter.members:,}"


def _activation_chart(one: ActivationNow) -> Chart:
    quarters, direction = one.quarters, one.activation.direction

    def metered(*, is_complete: bool) -> list[float | None]:
        return [kw_or_gap(q.metered_w) if q.is_complete == is_complete else None for q in quarters]

    expected = [kw_or_gap(quarter.expected_w) for quarter in quarters]
    target = [kw_or_gap(_target_w(quarter, direction)) for quarter in quarters]
    return chart(
        labels=[clock_time(quarter.starts_at) for quarter in quarters],
        unit="kW",
        series=[
            Series("Expected with the order", target, BLUE, is_line=True),
            Series("Expected without it", expected, GREY, is_line=True, is_dashed=True),
            Series("Metered", metered(is_complete=True), GREEN),
            Series("Metered, not all in", metered(is_complete=False), LIGHT_GREEN),
        ],
        description=f"Expected and metered consumption of {one.activation.aggregation_ean.name} per quarter hour; "
        "the table below has the same numbers.",
    )


def _target_w(quarter: Quarter, direction: str) -> int | None:
    if quarter.limit_w is not None:
        return quarter.limit_w
    if quarter.expected_w is None:
        return None
    return quarter.expected_w + (quarter.ordered_w if direction == Direction.INCREASE else -quarter.ordered_w)


def partners(*, today: Interval, now: datetime) -> dict[str, Any]:
    """Return how each partner's assets answered today's setpoints, and how many are silent."""
    found = queries.partners_today(day=today, now=now)
    rows = []
    for one in found:
        sent = sum(one.setpoints.values())
        rows.append(
            [
                cell(one.partner.name, href=page_of(one.partner), note="stopped" if one.partner.is_stopped else ""),
                cell(f"{one.assets:,}"),
                cell(f"{one.silent:,}", tone="warn" if one.silent else "", href=list_of(AssetState)),
                cell(f"{sent:,}", href=_setpoints(one.partner) if sent else ""),
                *(_bad(one.partner, status, one.setpoints.get(status, 0)) for status in _BAD),
                cell(f"{one.setpoints.get(Setpoint.Status.PENDING, 0):,}"),
            ]
        )
    return {
        "list": list_of(Partner),
        "table": table(
            "Setpoints sent today, by partner",
            "Partner,#Assets,#Silent,#Setpoints,#Rejected,#Not followed,#Not answered",
            rows,
        ),
        "silent_after": duration(queries.SILENT_AFTER),
        "attention": [
            {
                "text": f"{one.partner.name} is stopped: no setpoints go to its {counted(one.assets, 'asset')}.",
                "href": page_of(one.partner),
                "tone": "warn",
            }
            for one in found
            if one.partner.is_stopped
        ]
        + [
            {
                "text": f"The limit of connection {limit.connection_ean} holds nothing back: no active asset names it. "
                "Compare the EANs.",
                "href": page_of(limit),
                "tone": "warn",
            }
            for limit in queries.limits_of_nobody()
        ],
    }


def _setpoints(partner: Partner, status: str = "") -> str:
    query = f"batch__partner__id__exact={partner.pk}"
    return list_of(Setpoint, f"{query}&status__exact={status}" if status else query)
