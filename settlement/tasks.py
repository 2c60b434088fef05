"""Settlement's ticks: thin doors around one operation. The scheduler sends them to the queue `settlement`."""

import logging
from typing import Any

from celery import shared_task
from django.conf import settings

from aggregator.core import services
from aggregator.core.jobs import AlreadyRunning, job
from bidding.services import sells_balancing, tennet
from settlement import queries
from settlement.balancing.operations import fetch_due
from settlement.delivery import operations
from settlement.reconciliation.operations import reconcile_due

logger = logging.getLogger(__name__)


@shared_task
def settle_due(**_kwargs: Any) -> None:
    """Settle the activations whose data are in or whose deadline passed; a round with none leaves no job row."""
    clock = services.clock()
    if not queries.due_activations(
        now=clock.now(),
        wait=settings.SETTLEMENT_WAIT,
        required_completeness=operations.REQUIRED_COMPLETENESS,
    ):
        return
    try:
        with job(kind="settlement.settle_due", key="all", clock=clock) as row:
            made = operations.settle_due(now=clock.now(), wait=settings.SETTLEMENT_WAIT)
            row.summary = ", ".join(str(delivery) for delivery in made) or "Nothing changed."
    except AlreadyRunning:
        logger.info("Settlement is already running; the next tick looks again")


@shared_task
def reconcile_operator_settlements(**_kwargs: Any) -> None:
    """Check and answer what grid operators say they owe us."""
    reconcile_due(now=services.clock().now())


@shared_task
def fetch_balancing_settlements(**_kwargs: Any) -> None:
    """Ask TenneT what it settles of days with our bids; a round without such days leaves no job row."""
    clock = services.clock()
    if not sells_balancing() or not queries.balancing_days_to_ask(now=clock.now()):
        return
    try:
        with job(kind="settlement.fetch_balancing_settlements", key="all", clock=clock) as row:
            made = fetch_due(tennet=tennet(), now=clock.now())
            row.summary = ", ".join(str(version) for version in made) or "Nothing new."
    except AlreadyRunning:
        logger.info("TenneT is being asked already; the next tick looks again")
