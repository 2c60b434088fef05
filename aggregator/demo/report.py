"""The demo's outcome as data: `report.json`.

Money can be recomputed from the report alone. In each PTU of a delivery, `delivered_w` is clipped to 0 … `ordered_w`
and a quarter of it, in whole Wh, is paid at the `price_eur_per_mwh` of the bid or call it was for; a line's
`delivered_wh` is the partner's part of that paid energy (the aggregator's own line, partner null, has none). The amount
of an aggregation EAN is rounded to cents once; its lines add up to that and the `charges` of its contracts, which are
in the aggregator's own. `tests/report_check.py` is that calculation.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Q

from aggregator.core.interval import Interval
from aggregator.core.money import price_text
from assets.models import Setpoint
from bidding.dispatch.report import shortfalls
from bidding.models import Activation, Announcement, Bid, ContractCall
from settlement.delivery.operations import settle_due
from settlement.models import DeliveryPtu, Statement
from settlement.statements.operations import issue_statement

Row = dict[str, Any]


def build_report(
    *, day: Interval, now: datetime, timings: Mapping[str, float], simulator_report: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what happened in `day`, from the database, on the statement of all that is known now.

    So it first settles what came in since the last tick and issues the statement; neither changes anything when done.

    Args:
        day: the period played; windows that start in it count.
        now: the present instant.
        timings: real seconds per step.
        simulator_report: what the simulated CPO says; only its `drivers` are used.

    Raises:
        KeyError: the simulator's report says nothing about drivers.
    """
    drivers = simulator_report["drivers"]
    settle_due(now=now)
    statement = issue_statement(interval=day, now=now)
    return {
        "announcements": _announcements(day),
        "bids": _bids(day),
        "calls": _calls(day),
        "deliveries": _deliveries(statement, day),
        "shortfalls": _shortfalls(statement, day),
        "setpoints": _setpoints(day),
        "drivers": {
            "sessions": int(drivers["sessions"]),
            "served": int(drivers["served"]),
            "unserved_kwh": round(float(drivers["unserved_kwh"]), 3),
        },
        "settlement": _settlement(statement),
        "timings": dict(timings),
    }


def rfc3339(instant: datetime) -> str:
    """Return an instant as the report writes it."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _announcements(day: Interval) -> list[Row]:
    newest = (
        Announcement.objects.filter(starts_at__gte=day.starts_at, starts_at__lt=day.ends_at)
        .select_related("congestion_area")
        .order_by("external_id", "-revision")
        .distinct("external_id")
    )
    return [
        {
            "external_id": announcement.external_id,
            "revision": announcement.revision,
            "congestion_area": announcement.congestion_area.code if announcement.congestion_area else None,
            "direction": announcement.direction,
            "starts_at": rfc3339(announcement.starts_at),
            "ends_at": rfc3339(announcement.ends_at),
            "required_power_w": announcement.required_power_w,
        }
        for announcement in newest
    ]


def bids_of(day: Interval) -> list[Bid]:
    """Return the bids for windows that start in a period, by aggregation EAN and time."""
    return list(
        Bid.objects.filter(starts_at__gte=day.starts_at, starts_at__lt=day.ends_at)
        .select_related("aggregation_ean")
        .order_by("aggregation_ean_id", "starts_at", "pk")
    )


def _bids(day: Interval) -> list[Row]:
    """A bid that never got its answer keeps its own status as outcome, so that nobody takes it for a result."""
    return [
        {
            "aggregation_ean": bid.aggregation_ean_id,
            "starts_at": rfc3339(bid.starts_at),
            "ends_at": rfc3339(bid.ends_at),
            "direction": bid.direction,
            "power_w": bid.power_w,
            "price_eur_per_mwh": price_text(bid.paid_eur_per_mwh),
            "reliability": float(bid.reliability),
            "outcome": bid.status,
            "cleared_power_w": bid.cleared_power_w,
        }
        for bid in bids_of(day)
    ]


def calls_of(day: Interval) -> list[ContractCall]:
    """Return the calls under contracts for windows that start in a period, by aggregation EAN and time."""
    return list(
        ContractCall.objects.filter(starts_at__gte=day.starts_at, starts_at__lt=day.ends_at)
        .select_related("contract__aggregation_ean", "contract__dso", "activation", "message")
        .order_by("contract__aggregation_ean_id", "starts_at", "pk")
    )


def _calls(day: Interval) -> list[Row]:
    return [
        {
            "aggregation_ean": call.contract.aggregation_ean_id,
            "contract_id": call.contract.contract_id,
            "kind": call.contract.kind,
            "grid_operator": call.contract.dso.domain,
            "order_reference": call.order_reference,
            "called_at": rfc3339(call.called_at),
            "starts_at": rfc3339(call.starts_at),
            "ends_at": rfc3339(call.ends_at),
            "direction": call.direction,
            "power_meaning": call.contract.power_meaning,
            "power_w": list(call.ptus.order_by("ptu_start").values_list("power_w", flat=True)),
            "price_eur_per_mwh": str(call.contract.price_eur_per_mwh),
            "status": call.activation.status,
            "messages": _conversation(call),
        }
        for call in calls_of(day)
    ]


def _conversation(call: ContractCall) -> list[Row]:
    """Return what was said over UFTP about a call, in order; nothing for a contract that holds without calls."""
    if call.message is None:
        return []
    said = call.contract.dso.messages.filter(conversation_id=call.message.conversation_id).order_by("at", "pk")
    return [
        {"at": rfc3339(message.at), "way": message.way, "element": message.element, "result": message.result}
        for message in said
    ]


def _deliveries(statement: Statement, day: Interval) -> list[Row]:
    rows = (
        DeliveryPtu.objects.filter(
            delivery__statements=statement, ptu_start__gte=day.starts_at, ptu_start__lt=day.ends_at
        )
        .select_related("delivery__activation")
        .order_by("delivery__activation__aggregation_ean_id", "ptu_start", "pk")
    )
    return [
        {
            "aggregation_ean": row.delivery.activation.aggregation_ean_id,
            "ptu_start": rfc3339(row.ptu_start),
            "ordered_w": row.ordered_w,
            "baseline_w": row.baseline_w,
            "metered_w": row.metered_w,
            "delivered_w": row.delivered_w,
        }
        for row in rows
    ]


def _shortfalls(statement: Statement, day: Interval) -> list[Row]:
    """Return what was missed in each PTU by the meter, and why; the causes add up to it."""
    metered: dict[Activation, dict[datetime, int]] = defaultdict(dict)
    rows = DeliveryPtu.objects.filter(
        delivery__statements=statement, ptu_start__gte=day.starts_at, ptu_start__lt=day.ends_at
    ).select_related("delivery__activation")
    for row in rows.order_by("delivery__activation_id", "ptu_start", "pk"):
        metered[row.delivery.activation][row.ptu_start] = row.delivered_w
    return [
        {
            "aggregation_ean": activation.aggregation_ean_id,
            "ptu_start": rfc3339(row.ptu_start),
            "missing_w": row.missing_w,
            "causes_w": dict(row.causes_w),
        }
        for activation, delivered_w in metered.items()
        for row in shortfalls(activation, delivered_w=delivered_w)
        if row.missing_w
    ]


def _setpoints(day: Interval) -> dict[str, int]:
    """Count setpoints; one that was followed was accepted before. One replaced before its end is never judged."""
    status = Setpoint.Status
    return Setpoint.objects.filter(starts_at__gte=day.starts_at, starts_at__lt=day.ends_at).aggregate(
        sent=Count("pk"),
        accepted=Count("pk", filter=Q(status__in=[status.ACCEPTED, status.FOLLOWED, status.NOT_FOLLOWED])),
        judged=Count("pk", filter=Q(status__in=[status.FOLLOWED, status.NOT_FOLLOWED])),
        followed=Count("pk", filter=Q(status=status.FOLLOWED)),
    )


def _settlement(statement: Statement) -> Row:
    lines = statement.lines.select_related("partner").order_by("aggregation_ean_id", "pk")
    return {
        "total_eur": str(statement.total_eur),
        "lines": [
            {
                "partner": line.partner.name if line.partner else None,
                "aggregation_ean": line.aggregation_ean_id,
                "delivered_wh": line.delivered_wh,
                "amount_eur": str(line.amount_eur),
            }
            for line in lines
        ],
        "charges": [
            {
                "contract_id": charge.contract.contract_id,
                "aggregation_ean": charge.contract.aggregation_ean_id,
                "kind": charge.kind,
                "amount_eur": str(charge.amount_eur),
            }
            for charge in statement.charges.select_related("contract").order_by("pk")
        ],
    }
