"""What the scheduler starts. Each task makes one round and may run twice at once."""

import logging
from datetime import datetime, timedelta
from time import monotonic

from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from aggregator.core.http import RequestFailed, RequestRefused, Response
from aggregator.core.interval import Interval
from aggregator.core.isolation import failing_alone
from aggregator.core.jobs import AlreadyRunning, job
from aggregator.core.locks import AdvisoryLock, take
from aggregator.core.messaging.operations import Verdict, deliver_due
from aggregator.core.models import OutboxMessage
from aggregator.core.services import clock
from assets.models import AggregationEan
from bidding.dispatch.operations import run_activation
from bidding.dispatch.pause_tests import judge_pause_tests, start_pause_tests
from bidding.markets.exchange.orders import OrderState
from bidding.markets.exchange.venue import ExchangeUnavailable, Outcome, Venue
from bidding.markets.gopacs.announcements import UnreadableAnnouncement, read_announcement
from bidding.markets.gopacs.client import AnnouncementsUnavailable, fetch_announcements, fetch_helping_eans
from bidding.models import Announcement, Bid
from bidding.operations import (
    announcements,
    balancing,
    balancing_bids,
    bids,
    driver_data,
    duties,
    hindsight,
    market_messages,
    order_changes,
    orders,
    pushes,
    tennet_messages,
    waiting_answers,
)
from bidding.operations.approvals import GateClosed, NotInState
from bidding.operations.hindsight import Hindsight
from bidding.operations.sizing import size
from bidding.optimisation.balancing import next_to_size, ptus_to_offer
from bidding.queries import (
    activations_to_dispatch,
    announcements_to_answer,
    announcements_without_eans,
    bids_on_the_exchange,
    bids_perhaps_twice_in_the_book,
    groups_to_size_for_balancing,
    is_time_to_offer_balancing,
)
from bidding.services import exchange, gopacs_url, market_polls, sells_balancing, tennet

logger = logging.getLogger(__name__)

LONGEST_WAIT = timedelta(seconds=20)
"""Between attempts at the exchange: a locked book opens again within minutes, and the gate waits for nobody."""

BALANCING_SECONDS = 30
"""After which a round begins to size no other group: bids are sized by the same workers, and have a buyer."""

REPLAY_SECONDS = 60
"""After which a round of replays ends: nothing waits for them."""

CLAIMED_SECONDS = 300
"""No task runs longer, so after this a claim is one of a process that died."""

CAME_TOO_LATE = "The order has ended. If its bid is still on the exchange, another took its place: ask again."

_VERDICTS = {
    Outcome.DONE: Verdict.DELIVERED,
    Outcome.OVERTAKEN: Verdict.DELIVERED,
    Outcome.WAIT: Verdict.TRY_AGAIN,
    Outcome.UNKNOWN: Verdict.UNKNOWN,
    Outcome.REFUSED: Verdict.HOPELESS,
}


@shared_task
def poll_announcements(**_unknown: object) -> None:
    """Ask GOPACS what is announced, and write down what is new."""
    try:
        listed = fetch_announcements(http=market_polls(), base_url=gopacs_url())
    except (RequestFailed, AnnouncementsUnavailable) as failure:
        logger.warning("Announcements could not be fetched: %s", failure)
        return
    received = []
    for document in listed.documents:
        try:
            received.append(read_announcement(document, withdrawn_states=frozenset(settings.GOPACS_WITHDRAWN_STATES)))
        except UnreadableAnnouncement as failure:
            announcements.keep_unreadable(document=document, reason=str(failure), now=clock().now())
            logger.warning("%s", failure)
    announcements.record_announcements(received=received, now=clock().now())
    if listed.is_complete and settings.GOPACS_VANISHED_AFTER:
        announcements.withdraw_vanished(listed=listed.ids, after=settings.GOPACS_VANISHED_AFTER, now=clock().now())
    if settings.GOPACS_API_KEY:
        _ask_which_eans_help(announcements_without_eans(gate=exchange().gate, now=clock().now()))


def _ask_which_eans_help(rows: list[Announcement]) -> None:
    for row in rows:
        try:
            eans = fetch_helping_eans(
                http=market_polls(),
                base_url=gopacs_url(),
                api_key=settings.GOPACS_API_KEY,
                external_id=row.external_id,
                direction=row.direction,
                period=Interval(row.starts_at, row.ends_at),
                category_directions=settings.GOPACS_CATEGORY_DIRECTIONS,
            )
        except (RequestFailed, AnnouncementsUnavailable) as failure:
            logger.warning("Postcodes decide about announcement %s: %s", row.external_id, failure)
        else:
            announcements.note_helping_eans(announcement_id=row.pk, eans=eans)


@shared_task
def close_gates(**_unknown: object) -> None:
    """Write down why groups did not bid where the gate has closed; what nobody approved lapses."""
    duties.close_gates(gate=exchange().gate, now=clock().now())


@shared_task
def offer_bids(**_unknown: object) -> None:
    """Size and offer a bid for every announcement and group that has no answer yet; one that fails stops no other."""
    for announcement, group in announcements_to_answer(gate=exchange().gate, now=clock().now()):
        with failing_alone(
            logger,
            "No bid of %s for announcement %s could be sized; it is tried again every minute. Mend the cause, or "
            "make the bid by hand.",
            group.ean,
            announcement.external_id,
        ):
            _offer(announcement, group)


def _offer(announcement: Announcement, group: AggregationEan) -> None:
    if waiting_answers.waits_still(announcement=announcement, aggregation_ean=group):
        return
    try:
        with job(kind=duties.SIZING_JOB, key=duties.sizing_key(announcement, group), clock=clock()) as row:
            row.summary = _answer(announcement, group)
    except AlreadyRunning as busy:
        logger.info("%s", busy)


def _answer(announcement: Announcement, group: AggregationEan) -> str:
    """Size and offer; return the bid or reason in words, or why there is neither now."""
    holders = waiting_answers.holders(announcement=announcement, aggregation_ean=group)
    sized = size(announcement=announcement, aggregation_ean=group, now=clock().now())
    try:
        answer = bids.offer(
            announcement=announcement, aggregation_ean=group, sized=sized, exchange=exchange(), now=clock().now()
        )
    except bids.PowerNotBackYet as obstacle:
        waiting_answers.remember(announcement=announcement, aggregation_ean=group, waits_for=holders)
        return str(obstacle)
    except (bids.AlreadyAnswered, bids.AnnouncementChanged) as obstacle:
        return str(obstacle)
    return str(answer)


@shared_task
def size_balancing(**_unknown: object) -> None:
    """Size what groups could offer in the PTU whose gate is next; what fails, or has no time, stops no other."""
    began, ptu = monotonic(), next_to_size(clock().now(), gate=settings.AFRR_GATE)
    for group in groups_to_size_for_balancing(ptu):
        if clock().now() >= ptu - settings.AFRR_GATE or monotonic() - began > BALANCING_SECONDS:
            return  # the next round goes on
        with failing_alone(
            logger,
            "What %s could offer as balancing energy was not sized; it is tried again every minute. Nothing is sold "
            "by it: mend the cause by day.",
            group.ean,
        ):
            _size_balancing(group, ptu)


def _size_balancing(group: AggregationEan, ptu: datetime) -> None:
    """Size one group, unless an earlier round is still at it: that takes longer than a tick for a large one."""
    claim = f"sizes-balancing:{group.ean}:{ptu.isoformat()}"
    if not cache.add(claim, value=True, timeout=CLAIMED_SECONDS):
        return
    try:
        balancing.size_balancing(aggregation_ean=group, ptu_start=ptu, now=clock().now())
    finally:
        cache.delete(claim)


@shared_task
def replay_promises(**_unknown: object) -> None:
    """Replay the promises whose cars are gone, some of them in each round."""
    began, gate = monotonic(), settings.AFRR_GATE
    for group in AggregationEan.objects.order_by("?"):
        now = clock().now()
        in_hindsight = Hindsight(gate=gate, now=now)
        for promise in hindsight.waiting(aggregation_ean=group, gate=gate, now=now):
            if monotonic() - began > REPLAY_SECONDS:
                return
            with failing_alone(
                logger,
                "Whether %s would have held was not worked out. It is tried again; mend the cause.",
                promise,
            ):
                in_hindsight.replay(promise)


@shared_task
def forget_old_headroom(**_unknown: object) -> None:
    """Let go of what groups could offer as balancing energy a long time ago."""
    balancing.forget_old_headroom(now=clock().now())


@shared_task
def offer_balancing(**_unknown: object) -> None:
    """Offer balancing energy for each PTU that is sized, or whose gate is near; the earlier first."""
    if not sells_balancing():
        return
    for ptu in ptus_to_offer(clock().now(), gate=settings.AFRR_GATE):
        if balancing_bids.was_looked_at(ptu):
            continue
        if not is_time_to_offer_balancing(ptu, gate=settings.AFRR_GATE, now=clock().now()):
            return  # a later one is lowered for this one
        with failing_alone(
            logger,
            "No balancing energy was offered for %s; it is tried again every minute until the gate. Mend the cause by "
            "day.",
            ptu.isoformat(),
        ):
            try:
                balancing_bids.offer_balancing(ptu_start=ptu, tennet=tennet(), now=clock().now())
            except (GateClosed, NotInState) as obstacle:
                logger.info("%s", obstacle)


@shared_task
def send_balancing_messages(**_unknown: object) -> None:
    """Send what waits for TenneT."""
    if sells_balancing():
        tennet_messages.send(tennet=tennet(), clock=clock())


@shared_task
def send_market_messages(**_unknown: object) -> None:
    """Send what waits for the exchange."""
    market = exchange()
    order_changes.ask_withdrawals(exchange=market, now=clock().now())
    refused: set[int] = set()

    def judge(message: OutboxMessage, answer: Response) -> Verdict:
        purpose = market_messages.purpose_of(message)
        outcome = market.meaning_of(purpose, answer)
        if outcome is Outcome.PERHAPS_OVERTAKEN or (outcome is Outcome.OVERTAKEN and purpose == "change"):
            outcome = _looked_up(market, message, outcome)
        if outcome is Outcome.REFUSED:
            refused.add(message.pk)
        return _VERDICTS[outcome]

    def on_dead(message: OutboxMessage) -> None:
        reference, why, now = message.conversation, message.last_error, clock().now()
        purpose = market_messages.purpose_of(message)
        if purpose == "change":
            order_changes.note_unchanged(reference=reference, answer=why, now=now)
        elif purpose == "order" and message.pk in refused:
            orders.note_failed(reference=reference, reason=why, now=now)
        elif purpose == "order":
            orders.note_sought(reference=reference, reason=why, now=now)

    deliver_due(
        clock=clock(),
        channel=market_messages.CHANNEL,
        http=market.http,
        credentials=lambda _message: market.credentials(),
        find_answer=lambda message: _earlier_answer(market, message),
        in_flight=lambda message: _in_flight(market, message),
        judge=judge,
        on_answer=lambda message, answer: _answered(market, message, answer),
        on_dead=on_dead,
        longest_wait=LONGEST_WAIT,
    )


def _earlier_answer(market: Venue, message: OutboxMessage) -> Response | None:
    """Return the answer to an order that is in the book already: the book does not recognise repeats.

    Raises `RequestRefused` when it must not be placed any more.
    """
    if market_messages.purpose_of(message) != "order":
        return None
    bid = Bid.objects.get(reference=message.conversation)
    is_unsent = bid.status != Bid.Status.APPROVED and not bid.exchange_order_id
    if is_unsent or bid.status in Bid.ENDED_UNSOLD:
        raise RequestRefused("The bid has ended, so its order must not be placed any more.")
    now, found = clock().now(), market.find(message.conversation)
    if not found and bid.withdrawal_asked_at is not None:
        raise RequestRefused(f"Withdrawn: {bid.status_reason}")
    states = [state for state, _ in found]
    orders.follow_orders_of(bid_id=bid.pk, known_as=bid.exchange_order_id, states=states, now=now)
    return found[0][1] if found else None


def _looked_up(market: Venue, message: OutboxMessage, outcome: Outcome) -> Outcome:
    """Return what it means that an order is said to be gone, by what the exchange shows under our reference.

    A change that was made already, its answer lost, may be shown by another order that took the place of this one.
    """
    try:
        states = _take_over_all(market, Bid.objects.get(reference=message.conversation))
    except ExchangeUnavailable as failure:
        logger.warning("Whether order %s is gone could not be asked: %s", message.conversation, failure)
        return Outcome.WAIT
    is_open = any(not state.is_final and market_messages.is_about(message, state.order_id) for state in states)
    return Outcome.WAIT if outcome is Outcome.PERHAPS_OVERTAKEN and is_open else Outcome.OVERTAKEN


def _in_flight(market: Venue, message: OutboxMessage) -> timedelta:
    """Return how long a request may still take effect; a change or withdrawal that is made twice does no harm."""
    return market.in_flight if market_messages.purpose_of(message) == "order" else timedelta(0)


def _answered(market: Venue, message: OutboxMessage, answer: Response) -> None:
    """Take over what the exchange answered to a request it took, or to one that came too late to matter."""
    purpose, now = market_messages.purpose_of(message), clock().now()
    if purpose == "change" and answer.is_success:
        order_changes.note_changed(reference=message.conversation, now=now)
    state = market.state_in(answer)
    if state is not None:
        orders.follow_order(bid_id=Bid.objects.get(reference=message.conversation).pk, state=state, now=now)
    if purpose == "change":  # not known as made by now
        order_changes.note_unchanged(reference=message.conversation, answer=CAME_TOO_LATE, now=now)


@shared_task
def follow_orders(**_unknown: object) -> None:
    """Take over what the exchange pushed, and ask it what became of the other orders."""
    pushes.process(now=clock().now())
    followed = [(bid, _follow) for bid in bids_on_the_exchange()]
    looked_for = [(bid, _look_for) for bid in bids_perhaps_twice_in_the_book(clock().now())]
    for bid, follow in followed + looked_for:
        with failing_alone(
            logger,
            "The order of bid %s was not followed; it is tried again every minute. Until the cause is mended, ask the "
            "exchange what it cleared.",
            bid.reference,
        ):
            try:
                follow(bid)
            except ExchangeUnavailable as failure:
                logger.warning("The order of %s could not be read: %s", bid, failure)


def _follow(bid: Bid) -> None:
    if bid.status == Bid.Status.SOUGHT:
        _look_for(bid)
    else:
        state = exchange().order(bid.exchange_order_id)
        if state is None:
            raise ExchangeUnavailable(f"The exchange does not know order {bid.exchange_order_id}.")
        orders.follow_order(bid_id=bid.pk, state=state, now=clock().now())


def _look_for(bid: Bid) -> None:
    now = clock().now()
    if not _take_over_all(exchange(), bid):
        orders.conclude_absent(bid_id=bid.pk, gate=exchange().gate, in_flight=exchange().in_flight, now=now)


def _take_over_all(market: Venue, bid: Bid) -> list[OrderState]:
    """Take over all that the exchange has under our reference, and return it; raises `ExchangeUnavailable`."""
    now, known_as = clock().now(), bid.exchange_order_id
    states = [state for state, _ in market.find(str(bid.reference))]
    if known_as and all(state.order_id != known_as for state in states):  # a list may leave out what is final
        states += filter(None, [market.order(known_as)])
    orders.follow_orders_of(bid_id=bid.pk, known_as=known_as, states=states, now=now)
    return states


@shared_task
def run_dispatch(**_unknown: object) -> None:
    """Plan what is due and keep every activation's status up to date; one that fails stops no other."""
    for activation in activations_to_dispatch():
        with failing_alone(
            logger,
            "Activation %s was not brought up to date; it is tried again every minute. Until the cause is mended, "
            "steer its assets by hand, or tell the buyer.",
            activation.reference,
        ):
            run_activation(activation_id=activation.pk, now=clock().now())


@shared_task
def plan_balancing(activation_id: int, **_unknown: object) -> None:
    """Plan an activation by what TenneT asks now, whatever that was when this was handed over."""
    with transaction.atomic():
        take(AdvisoryLock.DISPATCH, activation_id)  # behind a round that read the order before
        run_activation(activation_id=activation_id, now=clock().now())


@shared_task
def test_pausing(**_unknown: object) -> None:
    """Judge the pause tests that are over; in quiet hours, make new ones."""
    judge_pause_tests(now=clock().now())
    start_pause_tests(now=clock().now())


@shared_task
def forget_driver_data(**_unknown: object) -> None:
    """Forget what is known of drivers longer than agreed."""
    driver_data.forget_driver_data(now=clock().now(), kept_for=settings.KEEP_DRIVER_DATA)
