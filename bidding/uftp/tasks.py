"""What the scheduler starts for called contracts. Each task makes one round and may run twice at once."""

import logging

from celery import shared_task

from aggregator.core.messaging.operations import deliver_due
from aggregator.core.models import OutboxMessage
from aggregator.core.services import clock
from bidding.markets.uftp import messages as m
from bidding.models import UftpMessage
from bidding.uftp import reports, services
from bidding.uftp.last_key import CHANNEL
from bidding.uftp.line import verdict_on
from bidding.uftp.processing import process_due
from bidding.uftp.standing import open_days

logger = logging.getLogger(__name__)


@shared_task
def process_messages(**_unknown: object) -> None:
    """Deal with what came in."""
    if services.is_on():
        process_due(clock=clock())


@shared_task
def send_messages(**_unknown: object) -> None:
    """Send what waits for the operators."""
    if services.is_on():
        deliver_due(
            clock=clock(),
            channel=CHANNEL,
            http=services.line(),
            credentials=lambda _message: {},  # the line adds the token, which may change between two tries
            on_answer=lambda _message, _answer: None,
            on_dead=give_up_what_follows,
            judge=verdict_on,
        )


@shared_task
def open_standing_days(**_unknown: object) -> None:
    """Take on what contracts with fixed times demand today and tomorrow."""
    open_days(now=clock().now())


@shared_task
def send_reports(**_unknown: object) -> None:
    """Tell operators what groups are expected to take, and what they took."""
    if services.is_on():
        reports.send_reports(now=clock().now())


def give_up_what_follows(message: OutboxMessage) -> None:
    """Give up the offer that waits behind an answer that never arrived: it may not overtake it."""
    reference = message.idempotency_key.removeprefix(f"{CHANNEL} ")
    dead = UftpMessage.objects.filter(way=UftpMessage.Way.SENT, message_id=reference).first()
    if dead is None or dead.element != m.FlexRequestResponse.element:
        return
    offers = UftpMessage.objects.filter(
        way=UftpMessage.Way.SENT,
        element=m.FlexOffer.element,
        participant=dead.participant_id,
        refers_to=dead.refers_to,
    )
    keys = [f"{CHANNEL} {message_id}" for message_id in offers.values_list("message_id", flat=True)]
    OutboxMessage.objects.filter(idempotency_key__in=keys, delivered_at__isnull=True, dead_at__isnull=True).update(
        dead_at=message.dead_at, last_error="The answer to the request, which goes first, could not be delivered."
    )
