"""What TenneT asks now, and what each group makes of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import OuterRef, Subquery, Sum
from django.urls import reverse

from aggregator.core.ptu import MARKET_ZONE, PTU, day_interval, dutch_time, ptu_start
from aggregator.operator.display import clock_time, duration, kilo
from aggregator.operator.panels.cells import cell, table
from bidding.dispatch.balancing.signals import last_followed
from bidding.models import Activation, ActivationPtu, ActivationSample, BalancingPtu, BalancingSignal, Direction
from bidding.services import sells_balancing

LATE_CYCLES = 15
"""Without a cycle for so long nobody follows: a lost one or two say nothing."""

_Use = BalancingSignal.Use


def balancing_live(*, now: datetime) -> dict[str, Any]:
    """Return what runs: the setpoint, the groups in the bids of this quarter hour, and how well we hear TenneT."""
    present = ptu_start(now)
    rows = _rows(present)
    newest, heard = _heard()
    today = day_interval(now.astimezone(MARKET_ZONE).date())
    lost = BalancingPtu.objects.filter(ptu_start__gte=today.starts_at, ptu_start__lt=today.ends_at)
    return {
        "is_shown": bool(rows) or sells_balancing(),
        "state": _state(rows, newest, heard, now),
        "groups": table(
            "Groups in the bids of this quarter hour",
            "Group,Way,#Asked kW,#In the bid kW,#Delivered kW,Seen at,State",
            [_group(row) for row in rows if row.ptu_start == present],
        ),
        "heard": f"Last cycle {duration(now - heard.last_at)} ago" if heard else "No cycle heard yet",
        "lost": f"{lost.aggregate(lost=Sum('lost_cycles'))['lost'] or 0:,} cycles lost today",
    }


def attention(*, now: datetime) -> list[dict[str, str]]:
    """Return what an operator must know at once: that TenneT is not heard while there is a bid."""
    rows = _rows(ptu_start(now))
    state = _state(rows, *_heard(), now) if rows else cell("")
    if state["tone"] not in {"bad", "warn"}:
        return []
    address = reverse("admin:bidding_balancingheadroom_overview")
    return [{"text": f"Balancing energy: {state['text']}", "href": address, "tone": state["tone"]}]


def _rows(present: datetime) -> list[ActivationPtu]:
    newest = ActivationSample.objects.filter(activation=OuterRef("activation")).order_by("-at")
    return list(
        ActivationPtu.objects.filter(
            activation__is_balancing=True, ptu_start__in=[present, present + PTU], part_w__gt=0
        )
        .select_related("activation__aggregation_ean")
        .annotate(delivered_w=Subquery(newest.values("delivered_w")[:1]), seen_at=Subquery(newest.values("at")[:1]))
        .order_by("activation__aggregation_ean__name", "pk")
    )


def _heard() -> tuple[BalancingSignal | None, BalancingSignal | None]:
    """Return what was written down last, and the last setpoint that could be followed."""
    newest = BalancingSignal.objects.order_by("-pk").first()
    return newest, newest if newest is None or newest.use == _Use.FOLLOWED else last_followed()


def _state(
    rows: Sequence[ActivationPtu], newest: BalancingSignal | None, heard: BalancingSignal | None, now: datetime
) -> dict[str, str]:
    if not rows:
        return cell("Nothing to follow: there is no bid for this quarter hour or the next.", tone="info")
    silent = now - heard.last_at if heard else None
    if newest is None or heard is None or silent is None:
        return cell("There are bids, and nobody hears TenneT. Start follow_balancing.", tone="bad")
    if newest.use == _Use.GIVEN_UP:
        text = f"Nothing is asked of the groups any more. {newest.why} Call TenneT: it may still count on us."
        return cell(text, tone="bad")
    if newest.use == _Use.LOST:
        return cell(f"The last setpoint holds for {duration(settings.AFRR_HOLD)} at most. {newest.why}", tone="warn")
    if silent > LATE_CYCLES * settings.AFRR_CYCLE:
        text = f"Nobody follows TenneT: the last cycle was {duration(silent)} ago. Start follow_balancing."
        return cell(text, tone="bad")
    return cell(_asked(heard), tone="good")


def _asked(heard: BalancingSignal) -> str:
    delta_w = heard.delta_w or 0
    before = BalancingSignal.objects.exclude(delta_w=delta_w).order_by("-pk").values("pk")[:1]
    same = BalancingSignal.objects.filter(delta_w=delta_w)
    first = same.filter(pk__gt=before[0]["pk"]).order_by("pk").first() if before else same.order_by("pk").first()
    since = f"since {dutch_time(first.at, '%H:%M:%S')}" if first else ""
    if not delta_w:
        return f"TenneT asks nothing {since}.".replace(" .", ".")
    way = "down: consume more" if delta_w > 0 else "up: consume less"
    return f"TenneT asks {kilo(abs(delta_w))} kW {way}, {since}."


def _group(row: Any) -> list[dict[str, str]]:
    activation: Activation = row.activation
    state, tone = _steering(activation)
    return [
        cell(activation.aggregation_ean.name, href=reverse("admin:bidding_activation_live", args=[activation.pk])),
        cell("up" if activation.direction == Direction.REDUCE else "down"),
        cell(kilo(row.ordered_w)),
        cell(kilo(row.part_w)),
        cell(kilo(row.delivered_w)),
        cell(clock_time(row.seen_at)),
        cell(state, tone=tone),
    ]


def _steering(activation: Activation) -> tuple[str, str]:
    if activation.stop_reason:
        return "Stopped by an operator", "bad"
    if activation.hold_reason:
        return "On hold", "warn"
    if activation.cap_w is not None:
        return f"Capped at {kilo(activation.cap_w)} kW", "warn"
    return "Steered", ""
