"""What the scheduler starts. Each task makes one round and may run twice at once."""

import logging

from celery import shared_task
from django.db import IntegrityError

from aggregator.core.http import RequestFailed, Response
from aggregator.core.jobs import AlreadyRunning, job
from aggregator.core.messaging.operations import deliver_due
from aggregator.core.models import OutboxMessage
from aggregator.core.services import clock, http_client
from bidding.dispatch.operations import run_activation
from bidding.markets.exchange.client import ExchangeUnavailable
from bidding.markets.exchange.orders import read_order
from bidding.markets.gopacs.announcements import UnreadableAnnouncement, read_announcement
from bidding.markets.gopacs.client import AnnouncementsUnavailable, fetch_announcements
from bidding.operations import announcements, bids, orders
from bidding.operations.sizing import size
from bidding.queries import activations_to_dispatch, announcements_to_answer, bids_on_the_exchange
from bidding.services import exchange, gopacs_url

logger = logging.getLogger(__name__)


@shared_task
def poll_announcements(**_unknown: object) -> None:
    """Ask GOPACS what is announced, and write down what is new."""
    try:
        documents = fetch_announcements(http=http_client(), base_url=gopacs_url())
    except (RequestFailed, AnnouncementsUnavailable) as failure:
        logger.warning("Announcements could not be fetched: %s", failure)
        return
    received = []
    for document in documents:
        try:
            received.append(read_announcement(document))
        except UnreadableAnnouncement as failure:
            logger.warning("%s", failure)
    announcements.record_announcements(received=received, now=clock().now())


@shared_task
def offer_bids(**_unknown: object) -> None:
    """Size and offer a bid for every announcement and group that has no answer yet."""
    for announcement, group in announcements_to_answer(now=clock().now()):
        try:
            with job(kind="size bid", key=f"{announcement.external_id} {group.ean}", clock=clock()) as row:
                sized = size(announcement=announcement, aggregation_ean=group, now=clock().now())
                answer = bids.offer(
                    announcement=announcement,
                    aggregation_ean=group,
                    sized=sized,
                    exchange=exchange(),
                    now=clock().now(),
                )
                row.summary = str(answer)
        except AlreadyRunning as busy:
            logger.info("%s", busy)
        except IntegrityError:
            # Another worker offered first, or the power is sold elsewhere: the next tick sees which.
            logger.info("No second offer for %s on %s", group.ean, announcement.external_id)


@shared_task
def send_market_messages(**_unknown: object) -> None:
    """Send what waits for the exchange."""
    market = exchange()

    def earlier_answer(message: OutboxMessage) -> Response | None:
        # The book does not recognise repeats: ask whether the order is there before placing it.
        if message.method != "POST":
            return None
        found = market.find(message.conversation)
        return found[1] if found else None

    def on_answer(message: OutboxMessage, answer: Response) -> None:
        if message.method == "POST":
            placed = read_order(answer.body)
            bids.mark_submitted(reference=message.conversation, exchange_order_id=placed.order_id, now=clock().now())

    def on_dead(message: OutboxMessage) -> None:
        if message.method == "POST":
            bids.mark_failed(reference=message.conversation, reason=message.last_error, now=clock().now())

    try:
        deliver_due(
            clock=clock(),
            channel=bids.CHANNEL,
            http=market.http,
            credentials=lambda _message: market.credentials(),
            find_answer=earlier_answer,
            on_answer=on_answer,
            on_dead=on_dead,
        )
    except ExchangeUnavailable as failure:
        logger.warning("%s", failure)


@shared_task
def follow_orders(**_unknown: object) -> None:
    """Ask the exchange what became of our orders."""
    for bid in bids_on_the_exchange():
        try:
            state = exchange().order(bid.exchange_order_id)
        except (RequestFailed, ExchangeUnavailable) as failure:
            logger.warning("Order %s could not be read: %s", bid.exchange_order_id, failure)
            continue
        orders.follow_order(bid_id=bid.pk, state=state, now=clock().now())


@shared_task
def run_dispatch(**_unknown: object) -> None:
    """Plan what is due and keep every activation's status up to date."""
    for activation in activations_to_dispatch():
        run_activation(activation_id=activation.pk, now=clock().now())
