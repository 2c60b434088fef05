"""What happens by itself on the field side; the schedule names the queues."""

from celery import shared_task
from django.conf import settings

from aggregator.core.services import clock, http_client
from assets import operations
from assets.control.metered_results import judge_on_meter_values
from assets.control.operations import deliver_setpoints
from assets.ocpi import pulling
from assets.ocpi.results import look_after_silence
from assets.ocpi.sending import send_commands


@shared_task
def send_setpoints(**_unknown: object) -> None:
    """Push the setpoints that are due."""
    deliver_setpoints(clock=clock(), http=http_client())


@shared_task
def send_charging_profiles(**_unknown: object) -> None:
    """Send the charging profiles that are due, and ask stations that did not answer."""
    look_after_silence(now=clock().now())
    send_commands(clock=clock(), http=http_client())


@shared_task
def judge_setpoints(**_unknown: object) -> None:
    """Judge on meter values what OCPI partners cannot tell."""
    judge_on_meter_values(now=clock().now())


@shared_task
def pull_from_ocpi_partners(**_unknown: object) -> None:
    """Give each OCPI partner whose turn it is a task of its own, so that a slow one keeps no other waiting."""
    for connection_id in pulling.due(now=clock().now()):
        # Worthless when the next round has come, which gives it another one.
        pull_from_ocpi_partner.apply_async(
            kwargs={"connection_id": connection_id}, expires=2 * settings.TICK_SECONDS, queue="ocpi"
        )


@shared_task
def pull_from_ocpi_partner(*, connection_id: int, **_unknown: object) -> None:
    """Fetch locations and sessions from one OCPI partner."""
    pulling.pull(connection_id=connection_id, clock=clock(), http=http_client())


@shared_task
def maintain_partitions(**_unknown: object) -> None:
    """Make the coming months of the measured tables."""
    operations.maintain_partitions(now=clock().now())


@shared_task
def drop_old_months(**_unknown: object) -> None:
    """Let go of measured months whose time is over."""
    operations.drop_old_months(now=clock().now(), keep_months=settings.KEEP_MONTHS, archive=settings.ARCHIVE_DIRECTORY)


@shared_task
def forget_answers(**_unknown: object) -> None:
    """Forget answers that nobody will ask for again."""
    operations.forget_answers(now=clock().now(), kept_for=settings.KEEP_ANSWERS)
