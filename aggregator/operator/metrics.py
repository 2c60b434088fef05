"""What a monitoring system polls: `/metrics` in Prometheus's text form, for who knows `METRICS_TOKEN`."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from aggregator.core.models import Breaker, InboxMessage, OutboxMessage
from aggregator.core.services import clock
from bidding.dispatch.balancing.signals import last_followed


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the gauges of now; 404 without the token, as if nothing were here."""
    expected = f"Bearer {settings.METRICS_TOKEN}"
    if not settings.METRICS_TOKEN or not constant_time_compare(request.headers.get("Authorization", ""), expected):
        return HttpResponse(status=404)
    registry = CollectorRegistry()
    registry.register(_Messages(clock().now()))
    registry.register(_Balancing(clock().now()))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Messages(Collector):
    """Messages that wait, against the moment they are worthless; a channel without any is not shown."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        waiting = OutboxMessage.objects.filter(delivered_at__isnull=True, dead_at__isnull=True)
        rows = list(
            waiting.values("channel").annotate(number=Count("pk"), oldest=Min("created_at"), first=Min("deadline_at"))
        )
        yield _gauge(
            "outbox_waiting_messages",
            "Messages neither delivered nor given up.",
            {row["channel"]: row["number"] for row in rows},
        )
        yield _gauge(
            "outbox_oldest_waiting_seconds",
            "Age of the oldest of them.",
            {row["channel"]: (self._now - row["oldest"]).total_seconds() for row in rows},
        )
        yield _gauge(
            "outbox_seconds_to_first_deadline",
            "Until the first of them is worthless, such as at gate closure; negative when it is too late.",
            {row["channel"]: (row["first"] - self._now).total_seconds() for row in rows},
        )
        dead = OutboxMessage.objects.filter(dead_at__isnull=False)
        yield _gauge("outbox_dead_messages", "Messages given up and not sent again since.", _count(dead))
        yield _gauge(
            "inbox_waiting_messages",
            "Messages received and not dealt with.",
            _count(InboxMessage.objects.filter(processed_at__isnull=True)),
        )
        yield _gauge(
            "counterparty_failures_in_a_row",
            "Failures since the last answer.",
            dict(Breaker.objects.values_list("counterparty", "failures")),
            label="counterparty",
        )


class _Balancing(Collector):
    """How well TenneT is heard; nothing is shown before it ever was."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        heard = last_followed()
        if heard is not None:
            yield GaugeMetricFamily(
                "aggregator_balancing_last_cycle_seconds",
                "Since the newest setpoint of TenneT that could be used; it grows where there is no bid now or next.",
                value=(self._now - heard.last_at).total_seconds(),
            )


def _count(rows: QuerySet[Any]) -> dict[str, float]:
    return dict(rows.values("channel").annotate(number=Count("pk")).values_list("channel", "number").order_by())


def _gauge(name: str, help_text: str, values: dict[str, float], *, label: str = "channel") -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"aggregator_{name}", help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
