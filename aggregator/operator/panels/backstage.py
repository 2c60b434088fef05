"""Messages, jobs and money."""

from datetime import datetime, timedelta
from typing import Any

from aggregator.core.interval import Interval
from aggregator.core.models import AuditEvent, Breaker, Job, OutboxMessage
from aggregator.operator import queries
from aggregator.operator.display import (
    clock_time,
    duration,
    euros,
    kilo,
    moment,
    shortened,
)
from aggregator.operator.panels.cells import cell, list_of, page_of, table, until
from aggregator.operator.queries import Waiting
from settlement.models import Delivery

NEAR_DEADLINE = timedelta(minutes=15)
UNDELIVERED = "delivered_at__isempty=1&dead_at__isempty=1"


def messages(*, now: datetime) -> dict[str, Any]:
    """Return what waits to be delivered, against the moment it is worthless."""
    found = queries.waiting_messages()
    return {
        "list": list_of(OutboxMessage),
        "table": table(
            "Waiting messages, by channel",
            "To,#Messages,Oldest,First is worthless at",
            [_waiting(one, now) for one in found],
        ),
        "attention": [
            {
                "text": f"{one.channel}: {one.messages:,} not delivered; {until(one.first_deadline_at, now)} left "
                "before the first is worthless.",
                "href": page_of(one.oldest),
                "tone": "bad",
            }
            for one in found
            if one.first_deadline_at - now < NEAR_DEADLINE
        ]
        + [
            {
                "text": f"{one.counterparty} {_trouble_of(one)}; it is tried again at {clock_time(one.rests_until)}.",
                "href": page_of(one),
                "tone": "bad",
            }
            for one in queries.counterparties_in_trouble(now)
            if one.rests_until
        ],
    }


def _trouble_of(one: Breaker) -> str:
    return f"failed {one.failures:,} times in a row" if one.failures else "asked us to wait"


def _waiting(one: Waiting, now: datetime) -> list[dict[str, str]]:
    same = list_of(OutboxMessage, f"channel={one.channel}&{UNDELIVERED}")
    waits = f"waits {duration(now - one.oldest.created_at)}"
    return [
        cell(one.channel, href=same),
        cell(f"{one.messages:,}"),
        cell(waits, href=page_of(one.oldest), note=shortened(one.oldest.last_error)),
        cell(_deadline(one.first_deadline_at, now), tone=_deadline_tone(one.first_deadline_at, now)),
    ]


def _deadline(deadline_at: datetime, now: datetime) -> str:
    words = f"in {duration(deadline_at - now)}" if deadline_at > now else f"passed {duration(now - deadline_at)} ago"
    return f"{moment(deadline_at)} ({words})"


def _deadline_tone(deadline_at: datetime, now: datetime) -> str:
    return "bad" if deadline_at - now < NEAR_DEADLINE else ""


def trouble(*, since: datetime) -> dict[str, Any]:
    """Return messages given up and jobs failed in the last day."""
    found = queries.trouble_since(since)
    attention = []
    if found.dead:
        words = f"{found.dead:,} message{'s' if found.dead > 1 else ''} given up in the last 24 hours."
        attention.append({"text": words, "href": list_of(OutboxMessage, "dead_at__isempty=0"), "tone": "bad"})
    if found.failed:
        words = f"{found.failed:,} job{'s' if found.failed > 1 else ''} failed in the last 24 hours."
        attention.append({"text": words, "href": list_of(Job, "status__exact=failed"), "tone": "bad"})
    return {
        "dead_list": list_of(OutboxMessage, "dead_at__isempty=0"),
        "jobs_list": list_of(Job),
        "audit_list": list_of(AuditEvent),
        "dead": table(
            "Messages given up in the last 24 hours",
            "Given up,Message,Why",
            [
                [
                    cell(moment(message.dead_at)),
                    cell(f"{message.channel} message {message.pk}", href=page_of(message)),
                    cell(shortened(message.last_error)),
                ]
                for message in found.last_dead
            ],
        ),
        "failed": table(
            "Jobs failed in the last 24 hours",
            "Failed,Job,Why",
            [
                [
                    cell(moment(job.finished_at)),
                    cell(f"{job.kind} {job.key}", href=page_of(job)),
                    cell(shortened(job.error)),
                ]
                for job in found.last_failed
            ],
        ),
        "attention": attention,
    }


def money(*, today: Interval, month: Interval) -> dict[str, Any]:
    """Return what today and this month brought, on what is settled now."""
    rows = []
    for name, interval in (("Today", today), ("This month", month)):
        found = queries.earnings(interval)
        rows.append(
            [
                cell(name),
                cell(euros(found.total_eur)),
                cell(euros(found.partners_eur)),
                cell(euros(found.total_eur - found.partners_eur)),
                cell(kilo(found.delivered_wh)),
                cell(f"{found.unsettled:,}", tone="warn" if found.unsettled else ""),
            ]
        )
    return {
        "list": list_of(Delivery),
        "table": table(
            "Money for settled deliveries",
            "Period,#Revenue,#For partners,#For us,#Delivered kWh,#Activations not settled",
            rows,
        ),
        "attention": [],
    }
