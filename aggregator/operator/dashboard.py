"""The first page an operator sees: what is sold, what runs, what went wrong, and what it brought."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest

from aggregator.core.ptu import MARKET_ZONE, day_interval
from aggregator.core.services import clock
from aggregator.operator import panels
from settlement.queries import month_interval


def dashboard_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the template context of the admin's front page: plain values, only what this person may see."""
    return {**context, **overview(now=clock().now(), may=request.user.has_perm)}


def overview(*, now: datetime, may: Callable[[str], bool]) -> dict[str, Any]:
    """Return the panels at a moment for a person who may see what `may` says."""
    local = now.astimezone(MARKET_ZONE)
    today, month = day_interval(local.date()), month_interval(local.year, local.month)
    makers: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
        "announcements": ("bidding.view_announcement", lambda: panels.announcements(now=now)),
        "duties": ("bidding.view_biddutycontract", lambda: panels.duties(now=now)),
        "activations": ("bidding.view_activation", lambda: panels.activations(now=now)),
        "ledger": ("bidding.view_ledgerentry", lambda: panels.ledger(today=today)),
        "record": ("bidding.view_bid", lambda: panels.record(now=now)),
        "partners": ("assets.view_setpoint", lambda: panels.partners(today=today, now=now)),
        "messages": ("core.view_outboxmessage", lambda: panels.messages(now=now)),
        "trouble": ("core.view_job", lambda: panels.trouble(since=now - timedelta(days=1))),
        "money": ("settlement.view_delivery", lambda: panels.money(today=today, month=month)),
    }
    shown = {name: make() for name, (permission, make) in makers.items() if may(permission)}
    return {
        "as_of": f"{local:%A %-d %B %Y, %H:%M}",
        "attention": [line for panel in shown.values() for line in panel["attention"]],
        "panels": shown,
    }
