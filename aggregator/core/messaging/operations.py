"""Sending what is in the outbox.

A message is enqueued in the transaction that causes it. Delivery takes one row at a time under a row lock that other
workers skip, sends the stored bytes, and marks the row in the same transaction. A worker that dies in between leaves
the row undelivered and the same bytes go out again: receivers must, and ours do, treat a repeat as the same message.
For one that does not, each send is written down before it is made, and not repeated while it may still arrive.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from aggregator.core import audit
from aggregator.core.clock import Clock
from aggregator.core.http import RequestFailed, RequestRefused, Response, SendsRequests
from aggregator.core.messaging import breaker
from aggregator.core.messaging.retries import LONGEST_RETRY_AFTER, least_tried_first, retry_after
from aggregator.core.models import DeliveryAttempt, OutboxMessage
from aggregator.core.ptu import dutch_time
from aggregator.core.storable import storable

logger = logging.getLogger(__name__)

KEPT_RESPONSE_BYTES = 16 * 1024


class TooLate(RuntimeError):
    """The message would be wrong by now."""


class Verdict(Enum):
    """What an answer means for the message it answers."""

    DELIVERED = auto()
    TRY_AGAIN = auto()
    """Not taken; the same message may be later."""
    UNKNOWN = auto()
    """Nobody can tell whether it was taken; it is tried again."""
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
    in_flight: Callable[[OutboxMessage], timedelta] = lambda _message: timedelta(0),
    judge: Callable[[OutboxMessage, Response], Verdict] = by_http_class,
    longest_wait: timedelta = LONGEST_RETRY_AFTER,
    limit: int = 50,
) -> DeliveryReport:
    """Try each due message of `channel` once, in order within a conversation (`retries.least_tried_first`).

    `on_answer` runs in the transaction that marks a message delivered, `on_dead` in the one that gives it up: at its
    deadline, or when repeating is pointless. For a receiver that does not recognise repeats, `find_answer` asks first
    whether an earlier attempt already arrived and returns its answer, and `in_flight` says how long the receiver may
    still work on a send whose fate is unknown; so long it is only searched for (zero where a repeat does no harm).
    `judge` says what an answer means where the protocol gives statuses a meaning of its own; it sees the attempt
    counted. `longest_wait` caps the time between attempts. A message that one of them fails on is logged and tried
    again like one that was not answered; it holds up its own conversation and no other.
    """

    def send(message: OutboxMessage) -> Response:
        return http.request(
            method=message.method,
            url=message.url,
            headers={**message.headers, **credentials(message)},
            body=bytes(message.body),
        )

    delivery = _Delivery(
        clock=clock,
        send=send,
        find_answer=find_answer,
        in_flight=in_flight,
        judge=judge,
        on_answer=on_answer,
        on_dead=on_dead,
        longest_wait=longest_wait,
    )
    counts = {"delivered": 0, "failed": 0, "dead": 0}
    tried: set[int] = set()
    for _ in range(limit):
        message: OutboxMessage | None = None
        try:
            with transaction.atomic():
                message = (
                    least_tried_first(due_messages(channel=channel, now=clock.now()), tries="attempts")
                    .exclude(pk__in=tried)
                    .select_for_update(skip_locked=True, of=("self",))
                    .first()
                )
                if message is None:
                    break
                tried.add(message.pk)
                if not _may_go_out(message, clock.now()):
                    continue
                outcome = delivery.attempt(message)
            if isinstance(outcome, DeliveryAttempt):
                with transaction.atomic():
                    outcome = delivery.send_announced(outcome)
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


def resend(
    *,
    now: datetime,
    message_id: int,
    deadline_at: datetime,
    actor: AbstractBaseUser | None = None,
    reason: str = "",
) -> OutboxMessage:
    """Give a dead message another life until `deadline_at`, at most until it is void; raises `TooLate` after that.

    It begins anew: due at once, and its attempts are counted from zero. What was tried before stays on record.
    """
    with transaction.atomic():
        message = OutboxMessage.objects.select_for_update().get(pk=message_id, dead_at__isnull=False)
        if message.void_from is not None and now >= message.void_from:
            raise TooLate(
                f"Message {message.pk} was for use before {dutch_time(message.void_from)} Dutch time. "
                "Leave it as it is."
            )
        before = {"attempts": message.attempts, "deadline_at": message.deadline_at.isoformat()}
        message.dead_at, message.next_attempt_at, message.attempts, message.resent_at = None, now, 0, now
        message.deadline_at = min(deadline_at, message.void_from or deadline_at)
        message.save(update_fields=["dead_at", "next_attempt_at", "attempts", "resent_at", "deadline_at"])
        after = {"attempts": message.attempts, "deadline_at": message.deadline_at.isoformat()}
        audit.record(
            now=now,
            action="core.message.resent",
            subject=message,
            actor=actor,
            reason=reason,
            before=before,
            after=after,
        )
        breaker.try_now(message.counterparty, now=now)
    return message


def cancel_untried(*, idempotency_key: str, reason: str, now: datetime) -> bool:
    """Give up a message that was never tried; tell whether it was. One that is being sent right now is not."""
    with transaction.atomic():
        untried = OutboxMessage.objects.filter(
            idempotency_key=idempotency_key,
            attempts=0,
            resent_at__isnull=True,  # else its attempts are counted anew
            delivered_at__isnull=True,
            dead_at__isnull=True,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """How the messages of a channel are delivered, one at a time; see `deliver_due`."""

    clock: Clock
    send: Callable[[OutboxMessage], Response]
    find_answer: Callable[[OutboxMessage], Response | None]
    in_flight: Callable[[OutboxMessage], timedelta]
    judge: Callable[[OutboxMessage, Response], Verdict]
    on_answer: Callable[[OutboxMessage, Response], None]
    on_dead: Callable[[OutboxMessage], None]
    longest_wait: timedelta

    def attempt(self, message: OutboxMessage) -> str | DeliveryAttempt:
        """Find or send one locked message, write down what happened, and return delivered, failed or dead.

        Where a repeat would do harm nothing is sent yet: the attempt is returned, for `send_announced`.
        """
        now, started = self.clock.now(), time.monotonic()
        if now >= message.deadline_at:
            return _give_up(
                message, f"The deadline passed. Before that: {message.last_error or 'not tried'}", now, self.on_dead
            )
        attempt = DeliveryAttempt(message=message, attempted_at=now)
        try:
            answer = self.find_answer(message)
            if answer is None and (in_flight := self.in_flight(message)):
                held = self._why_held(message, in_flight)
                return self._conclude(attempt, started, None, held) if held else self._announced(message)
            answer = answer or self.send(message)
        except (RequestFailed, RequestRefused) as failure:
            return self._conclude(attempt, started, None, failure)
        return self._conclude(attempt, started, answer, None)

    def send_announced(self, attempt: DeliveryAttempt) -> str:
        """Send what `attempt` announced, unless somebody else had a turn meanwhile; return as `attempt` does."""
        waiting = OutboxMessage.objects.filter(
            pk=attempt.message_id, delivered_at__isnull=True, dead_at__isnull=True, deadline_at__gt=self.clock.now()
        )
        message = waiting.select_for_update(skip_locked=True).first()
        is_ours = message is not None and message.delivery_attempts.latest("pk") == attempt
        if message is None or not is_ours or not _may_go_out(message, self.clock.now()):
            attempt.may_have_arrived, attempt.error = False, "Not sent: its turn had passed."
            attempt.save(update_fields=["may_have_arrived", "error"])
            return "failed"
        attempt.message, started = message, time.monotonic()
        try:
            answer = self.send(message)
        except (RequestFailed, RequestRefused) as failure:
            return self._conclude(attempt, started, None, failure)
        return self._conclude(attempt, started, answer, None)

    def _why_held(self, message: OutboxMessage, in_flight: timedelta) -> "_MayStillArrive | None":
        """Return why a message that was not found must not be sent: the receiver may still be working on it."""
        lost = message.delivery_attempts.filter(may_have_arrived=True).order_by("-attempted_at").first()
        if lost is None or self.clock.now() >= lost.attempted_at + in_flight:
            return None
        sent = (
            f"Sent at {dutch_time(lost.attempted_at)} Dutch time, neither answered nor found since. It may still arrive"
        )
        again_at = lost.attempted_at + in_flight
        if again_at < message.deadline_at:
            return _MayStillArrive(f"{sent}, so it is not sent again before {dutch_time(again_at)}.")
        return _MayStillArrive(
            f"{sent} until after its deadline at {dutch_time(message.deadline_at)}, so it is not sent again: ask the "
            "receiver whether it has it."
        )

    def _announced(self, message: OutboxMessage) -> DeliveryAttempt:
        """Write down that a message is sent next: a sender that dies over it leaves this, and may have sent."""
        now = self.clock.now()
        message.next_attempt_at = now + retry_after(message.attempts + 1, self.longest_wait)
        message.save(update_fields=["next_attempt_at"])
        return DeliveryAttempt.objects.create(message=message, attempted_at=now, may_have_arrived=True)

    def _conclude(
        self,
        attempt: DeliveryAttempt,
        started: float,
        answer: Response | None,
        failure: RequestFailed | RequestRefused | None,
    ) -> str:
        """Write down what came of an attempt at a locked message; return delivered, failed or dead."""
        message, now = attempt.message, self.clock.now()
        attempt.duration_ms = round((time.monotonic() - started) * 1000)
        attempt.error = "" if failure is None else str(failure)
        if answer is not None:
            attempt.status_code, attempt.response_body = answer.status_code, answer.body[:KEPT_RESPONSE_BYTES]
        message.attempts += 1
        if not isinstance(failure, RequestRefused):  # then nothing was sent
            came = answer or (failure.answer if failure else None)
            breaker.note(
                message.counterparty,
                trouble=breaker.is_trouble(answer) and not isinstance(failure, _MayStillArrive),
                now=now,
                asked=came.asks_to_wait(now) if came else timedelta(0),
            )
        verdict = self._verdict(message, answer, failure)
        attempt.may_have_arrived = attempt.may_have_arrived and verdict is Verdict.UNKNOWN
        attempt.save()
        if answer is not None and verdict is Verdict.DELIVERED:
            message.delivered_at, message.last_error = now, ""
            self.on_answer(message, answer)
            outcome = "delivered"
        else:
            message.last_error = attempt.error
            if answer is not None:
                body = storable(answer.body[:500].decode("utf-8", "replace"))
                message.last_error = f"HTTP {answer.status_code}: {body}"
            message.next_attempt_at = now + retry_after(message.attempts, self.longest_wait)
            outcome = "failed"
            if verdict is Verdict.HOPELESS or message.next_attempt_at >= message.deadline_at:
                outcome = _give_up(message, message.last_error, now, self.on_dead)
        message.save(update_fields=["attempts", "delivered_at", "last_error", "next_attempt_at"])
        return outcome

    def _verdict(
        self, message: OutboxMessage, answer: Response | None, failure: RequestFailed | RequestRefused | None
    ) -> Verdict:
        if answer is not None:
            return self.judge(message, answer)
        if isinstance(failure, RequestFailed):
            return Verdict.UNKNOWN if failure.may_have_arrived else Verdict.TRY_AGAIN
        return Verdict.HOPELESS


class _MayStillArrive(RequestFailed):
    """Nothing was sent: an earlier send may still arrive."""


def _put_off(message_id: int, error: Exception, now: datetime, longest_wait: timedelta) -> None:
    """Count an attempt that an error of ours ended; what it wrote is rolled back, and it may have arrived."""
    with transaction.atomic():
        living = OutboxMessage.objects.filter(pk=message_id, delivered_at__isnull=True, dead_at__isnull=True)
        message = living.select_for_update().first()
        if message is not None:
            message.attempts += 1
            message.last_error = f"We failed: {error!r}"
            message.next_attempt_at = now + retry_after(message.attempts, longest_wait)
            message.save(update_fields=["attempts", "last_error", "next_attempt_at"])


def _give_up(message: OutboxMessage, error: str, now: datetime, on_dead: Callable[[OutboxMessage], None]) -> str:
    message.dead_at, message.last_error = now, error
    message.save(update_fields=["dead_at", "last_error"])
    on_dead(message)
    logger.warning("Message %s to %s is given up: %s", message.pk, message.url, error)
    return "dead"
