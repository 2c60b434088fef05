"""Celery: queues by urgency, ticks instead of long delays, results in our own rows.

Redis hands a task out again when it is not acknowledged within the visibility timeout, so no task waits for a
distant moment: a tick reads the rows that are due. Every task may run twice at once and must not mind.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aggregator.settings")

from django.conf import settings

QUEUES = ("dispatch", "market", "sizing", "forecast", "settlement", "ocpi", "default")
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
app.autodiscover_tasks(["bidding", "bidding.uftp", "settlement", "assets", "aggregator.core"])


# What the scheduler starts: task, its queue, and every how many ticks.
TICKS = (
    ("bidding.tasks.poll_announcements", "market", 5),  # GOPACS asks for no more than once in five minutes
    ("bidding.tasks.close_gates", "market", 1),
    ("bidding.tasks.offer_bids", "sizing", 1),
    ("bidding.tasks.size_balancing", "sizing", 1),
    ("bidding.tasks.offer_balancing", "market", 1),
    ("bidding.tasks.send_balancing_messages", "market", 1),
    ("bidding.tasks.send_market_messages", "market", 1),
    ("bidding.tasks.follow_orders", "market", 1),
    ("bidding.uftp.tasks.process_messages", "market", 1),
    ("bidding.uftp.tasks.send_messages", "market", 1),
    ("bidding.uftp.tasks.open_standing_days", "market", 15),
    ("bidding.uftp.tasks.send_reports", "forecast", 15),
    ("bidding.tasks.run_dispatch", "dispatch", 1),
    ("bidding.tasks.test_pausing", "default", 15),
    ("assets.tasks.send_setpoints", "dispatch", 1),
    ("assets.tasks.send_charging_profiles", "dispatch", 1),
    ("assets.tasks.pull_from_ocpi_partners", "default", 1),
    ("assets.tasks.judge_setpoints", "default", 2),
    ("settlement.tasks.settle_due", "settlement", 2),
    ("settlement.tasks.reconcile_operator_settlements", "settlement", 5),
    ("settlement.tasks.fetch_balancing_settlements", "settlement", 60),
    ("assets.tasks.maintain_partitions", "default", 60),
    ("assets.tasks.forget_answers", "default", 60),
    ("assets.tasks.drop_old_months", "default", 720),
    ("bidding.tasks.forget_driver_data", "default", 720),
    ("bidding.tasks.replay_promises", "forecast", 15),
    ("bidding.tasks.forget_old_headroom", "default", 720),
)
app.conf.task_routes = {task: {"queue": queue} for task, queue, _ in TICKS}
app.conf.beat_schedule = {
    task: {
        "task": task,
        "schedule": settings.TICK_SECONDS * ticks,
        # A tick that waited longer than its period is worthless: the next one does its work.
        "options": {"expires": settings.TICK_SECONDS * ticks * 2},
    }
    for task, _, ticks in TICKS
}
