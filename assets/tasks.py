"""What happens by itself on the field side; the schedule names the queues."""

from celery import shared_task

from aggregator.core.services import clock, http_client
from assets import operations
from assets.control.operations import deliver_setpoints


@shared_task
def send_setpoints(**_unknown: object) -> None:
    """Push the setpoints that are due."""
    deliver_setpoints(clock=clock(), http=http_client())


@shared_task
def maintain_partitions(**_unknown: object) -> None:
    """Make the coming months of the meter table."""
    operations.maintain_partitions(now=clock().now())
