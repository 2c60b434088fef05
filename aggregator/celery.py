"""Celery: queues by urgency, ticks instead of long delays, results in our own rows.

Redis hands a task out again when it is not acknowledged within the visibility timeout, so no task waits for a
distant moment: a tick reads the rows that are due. Every task may run twice at once and must not mind.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aggregator.settings")

from django.conf import settings

QUEUES = ("dispatch", "market", "sizing", "forecast", "settlement", "default")
HARD_LIMIT_SECONDS = 300
VISIBILITY_TIMEOUT_SECONDS = 900  # longer than any task may run


def _broker_url(url: str) -> str:
    """Return the broker address in Celery's spelling, which names Unix sockets differently from redis-py."""
    return url.replace("unix://", "redis+socket://", 1)


app = Celery("aggregator")
app.conf.update(
    broker_url=_broker_url(settings.REDIS_URL),
    broker_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_SECONDS},
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_time_limit=HARD_LIMIT_SECONDS,
    task_soft_time_limit=HARD_LIMIT_SECONDS - 30,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue="default",
    task_create_missing_queues=False,
    task_queues={name: {"exchange": name, "routing_key": name} for name in QUEUES},
    worker_hijack_root_logger=False,
    timezone="UTC",
    enable_utc=True,
)
app.autodiscover_tasks(["bidding", "settlement", "assets", "aggregator.core"])


def _tick(task: str, queue: str, *, every_ticks: int = 1) -> dict[str, object]:
    seconds = settings.TICK_SECONDS * every_ticks
    # A tick that waited longer than its period is worthless: the next one does its work.
    return {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": seconds * 2}}


app.conf.beat_schedule = {
    "poll announcements": _tick("bidding.tasks.poll_announcements", "market"),
    "size and offer bids": _tick("bidding.tasks.offer_bids", "sizing"),
    "send market messages": _tick("bidding.tasks.send_market_messages", "market"),
    "follow exchange orders": _tick("bidding.tasks.follow_orders", "market"),
    "plan and follow activations": _tick("bidding.tasks.run_dispatch", "dispatch"),
    "send setpoints": _tick("assets.tasks.send_setpoints", "dispatch"),
    "settle delivered activations": _tick("settlement.tasks.settle_due", "settlement", every_ticks=2),
    "look after meter partitions": _tick("assets.tasks.maintain_partitions", "default", every_ticks=60),
}
