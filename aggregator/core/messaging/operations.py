"""Sending what is in the outbox.

A message is enqueued in the transaction that causes it. Delivery takes one row at a time under a row lock that other
workers skip, sends the stored bytes, and marks the row in the same transaction. A worker that dies in between leaves
the row undelivered and the same bytes go out again: receivers must, and ours do, treat a repeat as the same message.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from aggregator.core.clock import Clock
from aggregator.core.http import RequestFailed, RequestRefused, Response, SendsRequests
from aggregator.core.messaging import breaker
from aggregator.core.models import DeliveryAttempt, OutboxMessage
from aggregator.core.ptu import dutch_time
from aggregator.core.storable import storable

logger = logging.getLogger(__name__)

FIRST_RETRY_AFTER = timedelta(seconds=2)
LONGEST_RETRY_AFTER = timedelta(minutes=10)
KEPT_RESPONSE_BYTES = 16 * 1024
_jitter = random.SystemRandom()


class TooLate(RuntimeError):
    """The message would be wrong by now."""


class Verdict(Enum):
    """What an answer means for the message it answers."""

    DELIVERED = auto()
    TRY_AGAIN = auto()
    HOPELESS = auto()


def by_http_class(_message: OutboxMessage, answer: Response) -> Verdict:
    """Judge an answer by what its status means in HTTP."""
    if answer.is_success:
        return Verdict.DELIVERED
    return Verdict.TRY_AGAIN if answer.can_be_retried else Verdict.HOPELESS


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one round of sending did."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0


def enqueue(
    *,
    now: datetime,
    channel: str,
    conversation: str,
    idempotency_key: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    deadline_at: datetime,
    void_from: datetime | None = None,
) -> OutboxMessage:
    """Write down a request that must be sent by `deadline_at`; it goes out after the caller's transaction commits.

    From `void_from` on it may not go out any more, not even when a person asks for it.
    """
    return OutboxMessage.objects.create(
        channel=channel,
        conversation=conversation,
        idempotency_key=idempotency_key,
        method=method,
        url=url,
        headers=dict(headers),
        body=body,
        created_at=now,
        next_attempt_at=now,
        deadline_at=deadline_at,
        void_from=void_from,
    )


def deliver_due(
    *,
    clock: Clock,
    channel: str,
    http: SendsRequests,
    credentials: Callable[[OutboxMessage], Mapping[str, str]],
    on_answer: Callable[[OutboxMessage, Response], None],
    on_dead: Callable[[OutboxMessage], None] = lambda _message: None,
    find_answer: Callable[[OutboxMessage], Response | None] = lambda _message: None,
    judge: Callable[[OutboxMessage, Response], Verdict] = by_http_class,
    longest_wait: timedelta = LONGEST_RETRY_AFTER,
    limit: int = 50,
) -> DeliveryReport:
    """Try each due message of `channel` once, oldest first, in order within a conversation.

    `on_answer` runs in the transaction that marks a message delivered, `on_dead` in the one that gives it up: at its
    deadline, or when repeating is pointless. For a receiver that does not recognise repeats, `find_answer` asks first
    whether an earlier attempt already arrived and returns its answer. `judge` says what an answer means where the
    protocol gives statuses a meaning of its own; it sees the attempt counted. `longest_wait` caps the time between
    attempts. A message that one of them fails on is logged and tried again like one that was not answered; it holds up
    its own conversation and no other.
    """

    def send(message: OutboxMessage) -> Response:
        return find_answer(message) or http.request(
            method=message.method,
            url=message.url,
            headers={**message.headers, **credentials(message)},
            body=bytes(message.body),
        )

    counts = {"delivered": 0, "failed": 0, "dead": 0}
    tried: set[int] = set()
    for _ in range(limit):
        message: OutboxMessage | None = None
        try:
            with transaction.atomic():
                message = (
                    due_messages(channel=channel, now=clock.now())
                    .exclude(pk__in=tried)
                    .order_by("id")
                    .select_for_update(skip_locked=True, of=("self",))
                    .first()
                )
                if message is None:
                    break
                tried.add(message.pk)
                if not _may_go_out(message, clock.now()):
                    continue
                outcome = _attempt(
                    message,
                    clock=clock,
                    send=send,
                    judge=judge,
                    on_answer=on_answer,
                    on_dead=on_dead,
                    longest_wait=longest_wait,
                )
        except SoftTimeLimitExceeded as error:  # the round is over, and the next must not spend all its time here too
            if message is not None:
                _put_off(message.pk, error, clock.now(), longest_wait)
            raise
        except Exception as error:  # whatever it was: the messages behind this one must get their turn
            if message is None:
                raise
            logger.exception("Message %s could not be dealt with; it is tried again. Mend the cause.", message.pk)
            _put_off(message.pk, error, clock.now(), longest_wait)
            outcome = "failed"
        counts[outcome] += 1
    return DeliveryReport(**counts)


def due_messages(*, channel: str, now: datetime) -> QuerySet[OutboxMessage]:
    """Return the messages whose turn it is: due, and first of what is still undelivered in their conversation.

    A counterparty in trouble is left alone, but what passed its deadline is to be given up all the same.
    """
    waiting = OutboxMessage.objects.filter(delivered_at__isnull=True, dead_at__isnull=True)
    earlier = waiting.filter(channel=OuterRef("channel"), conversation=OuterRef("conversation"), id__lt=OuterRef("id"))
    in_trouble = breaker.resting(now).filter(counterparty=OuterRef("counterparty"))
    return waiting.filter(
        Q(deadline_at__lte=now) | (Q(next_attempt_at__lte=now) & ~Exists(in_trouble)), channel=channel
    ).exclude(Exists(earlier))


def resend(*, now: datetime, message_id: int, deadline_at: datetime) -> OutboxMessage:
    """Give a dead message another life until `deadline_at`, at most until it is void; raises `TooLate` after that."""
    with transaction.atomic():
        message = OutboxMessage.objects.select_for_update().get(pk=message_id, dead_at__isnull=False)
        if message.void_from is not None and now >= message.void_from:
            raise TooLate(
                f"Message {message.pk} was for use before {dutch_time(message.void_from)} Dutch time. "
                "Leave it as it is."
            )
        message.dead_at, message.next_attempt_at = None, now
        message.deadline_at = min(deadline_at, message.void_from or deadline_at)
        message.save(update_fields=["dead_at", "next_attempt_at", "deadline_at"])
        breaker.try_now(message.counterparty, now=now)
    return message


def cancel_untried(*, idempotency_key: str, reason: str, now: datetime) -> bool:
    """Give up a message that was never tried; tell whether it was. One that is being sent right now is not."""
    with transaction.atomic():
        untried = OutboxMessage.objects.filter(
            idempotency_key=idempotency_key, attempts=0, delivered_at__isnull=True, dead_at__isnull=True
        )
        message = untried.select_for_update(skip_locked=True).first()
        if message is None:
            return False
        message.dead_at, message.last_error = now, reason
        message.save(update_fields=["dead_at", "last_error"])
    return True


def _may_go_out(message: OutboxMessage, now: datetime) -> bool:
    """Tell whether a locked message can be dealt with: its counterparty is not in trouble, or it is too late anyway."""
    return message.deadline_at <= now or breaker.lets_pass(message.counterparty, now=now)


def _attempt(
    message: OutboxMessage,
    *,
    clock: Clock,
    send: Callable[[OutboxMessage], Response],
    judge: Callable[[OutboxMessage, Response], Verdict],
    on_answer: Callable[[OutboxMessage, Response], None],
    on_dead: Callable[[OutboxMessage], None],
    longest_wait: timedelta,
) -> str:
    """Send one locked message and write down what happened; return delivered, failed or dead."""
    started_at, started = clock.now(), time.monotonic()
    if started_at >= message.deadline_at:
        return _give_up(
            message, f"The deadline passed. Before that: {message.last_error or 'not tried'}", started_at, on_dead
        )
    answer: Response | None = None
    error = ""
    hopeless = False
    try:
        answer = send(message)
    except RequestFailed as failure:
        error = str(failure)
    except RequestRefused as refusal:
        error, hopeless = str(refusal), True
    DeliveryAttempt.objects.create(
        message=message,
        attempted_at=started_at,
        duration_ms=round((time.monotonic() - started) * 1000),
        status_code=answer.status_code if answer else None,
        response_body=answer.body[:KEPT_RESPONSE_BYTES] if answer else b"",
        error=error,
    )
    message.attempts += 1
    now = clock.now()
    if not hopeless:  # then nothing was sent
        breaker.note(message.counterparty, trouble=breaker.is_trouble(answer), now=now)
    verdict = Verdict.TRY_AGAIN if answer is None else judge(message, answer)
    if answer is not None and verdict is Verdict.DELIVERED:
        message.delivered_at, message.last_error = now, ""
        on_answer(message, answer)
        outcome = "delivered"
    else:
        if answer is not None:
            error = f"HTTP {answer.status_code}: {storable(answer.body[:500].decode('utf-8', 'replace'))}"
            hopeless = verdict is Verdict.HOPELESS
        message.last_error = error
        message.next_attempt_at = now + _retry_after(message.attempts, longest_wait)
        outcome = "failed"
        if hopeless or message.next_attempt_at >= message.deadline_at:
            outcome = _give_up(message, error, now, on_dead)
    message.save(update_fields=["attempts", "delivered_at", "last_error", "next_attempt_at"])
    return outcome


def _put_off(message_id: int, error: Exception, now: datetime, longest_wait: timedelta) -> None:
    """Count an attempt that an error of ours ended; what it wrote is rolled back, and it may have arrived."""
    with transaction.atomic():
        living = OutboxMessage.objects.filter(pk=message_id, delivered_at__isnull=True, dead_at__isnull=True)
        message = living.select_for_update().first()
        if message is not None:
            message.attempts += 1
            message.last_error = f"We failed: {error!r}"
            message.next_attempt_at = now + _retry_after(message.attempts, longest_wait)
            message.save(update_fields=["attempts", "last_error", "next_attempt_at"])


def _give_up(message: OutboxMessage, error: str, now: datetime, on_dead: Callable[[OutboxMessage], None]) -> str:
    message.dead_at, message.last_error = now, error
    message.save(update_fields=["dead_at", "last_error"])
    on_dead(message)
    logger.warning("Message %s to %s is given up: %s", message.pk, message.url, error)
    return "dead"


def _retry_after(attempts: int, longest_wait: timedelta) -> timedelta:
    """Return the wait before the next attempt: doubling, capped, with jitter so that senders do not march in step."""
    wait: timedelta = min(FIRST_RETRY_AFTER * 2 ** min(attempts - 1, 20), longest_wait)
    return wait * (0.5 + _jitter.random() / 2)
