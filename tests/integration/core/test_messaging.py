import threading
from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection

from aggregator.core.http import RequestFailed, Response
from aggregator.core.messaging import operations
from aggregator.core.messaging.operations import (
    DeliveryReport,
    TooLate,
    Verdict,
    cancel_untried,
    due_messages,
    resend,
)
from aggregator.core.messaging.retries import FIRST_RETRY_AFTER
from aggregator.core.models import AuditEvent, Breaker, DeliveryAttempt, OutboxMessage
from tests.integration.core.outgoing import OK, START, Peer, deliver, write


@pytest.mark.django_db
def test_a_conversation_goes_out_in_order_and_a_stuck_one_holds_nobody_else_up(clock):
    for key, conversation in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        write(key, conversation=conversation, body=key.encode())
    peer = Peer(RequestFailed("timeout"))

    report = deliver(clock, peer)

    assert peer.bodies == [b"a1", b"b1"]
    assert (report.delivered, report.failed) == (1, 1)
    assert not due_messages(channel="exchange", now=clock.now()).exists()

    clock.instant += timedelta(minutes=1)
    deliver(clock, peer)
    assert peer.bodies == [b"a1", b"b1", b"a1", b"a2"]
    assert DeliveryAttempt.objects.count() == 4


@pytest.mark.django_db
@pytest.mark.parametrize("status", [400, 403, 404, 412])
def test_an_answer_that_repeating_cannot_change_ends_the_message(clock, status):
    write("a1")
    given_up = []
    report = deliver(clock, Peer(Response(status, {}, b"no")), on_dead=lambda message: given_up.append(message.pk))

    message = OutboxMessage.objects.get()
    assert report.dead == 1
    assert given_up == [message.pk]
    assert message.last_error == f"HTTP {status}: no"


@pytest.mark.django_db
@pytest.mark.parametrize("status", [400, 500])
def test_an_answer_that_no_text_column_holds_stops_no_message_behind_it(clock, status):
    write("a1")
    write("b1", conversation="b")

    report = deliver(clock, Peer(Response(status, {}, b"n\0o\0")))

    assert (report.delivered, report.failed + report.dead) == (1, 1)
    assert OutboxMessage.objects.get(idempotency_key="a1").last_error == f"HTTP {status}: n\ufffdo\ufffd"
    assert bytes(DeliveryAttempt.objects.first().response_body) == b"n\0o\0"


@pytest.mark.django_db
@pytest.mark.parametrize("status", [408, 423, 425, 429, 500, 503])
def test_an_answer_that_may_change_is_tried_until_the_deadline(clock, status):
    write("a1")
    peer = Peer(*[Response(status, {}, b"later")] * 100)
    while not OutboxMessage.objects.filter(dead_at__isnull=False).exists():
        deliver(clock, peer)
        clock.instant += timedelta(seconds=30)

    assert clock.instant <= START + timedelta(hours=1, seconds=30)
    assert len(peer.bodies) > 5

    resend(now=clock.now(), message_id=OutboxMessage.objects.get().pk, deadline_at=clock.now() + timedelta(hours=1))
    deliver(clock, Peer())
    assert OutboxMessage.objects.get().delivered_at is not None


@pytest.mark.django_db
@pytest.mark.parametrize("longest_s", [20, 600])
def test_the_pause_doubles_up_to_its_cap_and_differs_from_sender_to_sender(clock, longest_s):
    for number in range(8):  # each to a receiver of its own, whose breaker is another's story
        write(
            f"m{number}", conversation=str(number), url=f"http://peer-{number}.example/",
            deadline_at=START + timedelta(days=30),
        )  # fmt: skip
    for attempt in range(1, 15):
        deliver(clock, Peer(*[RequestFailed("timeout")] * 8), longest_wait=timedelta(seconds=longest_s))
        due = OutboxMessage.objects.filter(attempts=attempt).values_list("next_attempt_at", flat=True)
        waits_s = [(instant - clock.now()).total_seconds() for instant in due]
        full_s = min(2 * 2 ** (attempt - 1), longest_s)
        assert len(waits_s) == 8
        assert full_s / 2 <= min(waits_s) < max(waits_s) <= full_s
        clock.instant += timedelta(hours=1)  # longer than any pause, the breaker's too


@pytest.mark.django_db
def test_nothing_is_sent_after_its_deadline(clock):
    write("a1")
    clock.instant += timedelta(hours=1)
    peer = Peer()
    assert deliver(clock, peer).dead == 1
    assert peer.bodies == []
    assert OutboxMessage.objects.get().last_error == "The deadline passed. Before that: not tried"


@pytest.mark.django_db
def test_a_message_found_to_have_arrived_is_not_sent_again(clock):
    write("a1")
    peer = Peer()
    answers = []
    deliver(
        clock, peer, lambda _message, answer: answers.append(answer.body), find_answer=lambda _: Response(200, {}, b"x")
    )
    assert (peer.bodies, answers) == ([], [b"x"])


IN_FLIGHT = timedelta(minutes=5)


def deliver_once(clock, peer, *, find_answer=lambda _message: None, judge=lambda *_: Verdict.UNKNOWN):
    """Deliver to a receiver that does not recognise repeats."""
    return deliver(
        clock, peer, find_answer=find_answer, judge=judge, in_flight=lambda _message: IN_FLIGHT,
        longest_wait=timedelta(seconds=20),
    )  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("lost", [RequestFailed("timeout"), Response(502, {}, b"")])
def test_a_send_of_unknown_fate_is_not_repeated_while_it_may_still_arrive(clock, lost):
    write("a1")
    peer = Peer(lost)
    while clock.now() < START + IN_FLIGHT:
        deliver_once(clock, peer)
        assert len(peer.bodies) == 1
        clock.instant += timedelta(seconds=30)

    assert OutboxMessage.objects.get().last_error == (
        "Sent at 2026-01-14 16:00 Dutch time, neither answered nor found since. It may still arrive, so it is not sent "
        "again before 2026-01-14 16:05."
    )
    assert not Breaker.objects.exists()  # the receiver was asked, and answered
    deliver_once(clock, peer, judge=lambda *_: Verdict.DELIVERED)
    assert (len(peer.bodies), OutboxMessage.objects.get().delivered_at) == (2, clock.now())
    assert DeliveryAttempt.objects.get(may_have_arrived=True).attempted_at == START


@pytest.mark.django_db
def test_a_send_of_unknown_fate_that_is_found_later_has_arrived(clock):
    write("a1")
    peer = Peer(RequestFailed("timeout"))
    deliver_once(clock, peer)
    clock.instant += timedelta(seconds=30)
    deliver_once(clock, peer, find_answer=lambda _: OK, judge=lambda *_: Verdict.DELIVERED)
    assert (len(peer.bodies), OutboxMessage.objects.get().delivered_at) == (1, clock.now())


@pytest.mark.django_db
def test_what_was_not_sent_or_not_taken_is_tried_again_at_once(clock):
    def unreachable(_message):
        raise RequestFailed("nobody there")

    write("a1")
    peer = Peer(RequestFailed("no connection", may_have_arrived=False))
    deliver_once(clock, peer, find_answer=unreachable)
    clock.instant += timedelta(seconds=30)
    deliver_once(clock, peer)
    clock.instant += timedelta(seconds=30)
    deliver_once(clock, peer, judge=lambda *_: Verdict.TRY_AGAIN)
    clock.instant += timedelta(seconds=30)
    deliver_once(clock, peer, judge=lambda *_: Verdict.DELIVERED)

    assert (len(peer.bodies), OutboxMessage.objects.get().delivered_at) == (3, clock.now())
    assert not DeliveryAttempt.objects.filter(may_have_arrived=True).exists()


@pytest.mark.django_db(transaction=True)
def test_a_sender_that_dies_has_perhaps_sent(clock):
    write("a1")
    with pytest.raises(SystemExit):
        deliver_once(clock, Peer(SystemExit()))

    (attempt,) = DeliveryAttempt.objects.all()
    assert (attempt.may_have_arrived, attempt.duration_ms, attempt.status_code) == (True, None, None)
    clock.instant += IN_FLIGHT - timedelta(seconds=1)
    peer = Peer()
    deliver_once(clock, peer)
    assert peer.bodies == []
    clock.instant += timedelta(seconds=30)
    deliver_once(clock, peer)
    assert len(peer.bodies) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("meanwhile", ["cancelled", "tried by another", "too late"])
def test_what_was_announced_is_not_sent_where_its_turn_has_passed(clock, monkeypatch, meanwhile):
    message = write("a1")
    send_announced = operations._Delivery.send_announced

    def after_a_pause(delivery, attempt):
        if meanwhile == "cancelled":
            assert cancel_untried(idempotency_key="a1", reason="Withdrawn.", now=clock.now())
        elif meanwhile == "tried by another":
            DeliveryAttempt.objects.create(message=message, attempted_at=clock.now())
        else:
            clock.instant = message.deadline_at
        return send_announced(delivery, attempt)

    monkeypatch.setattr(operations._Delivery, "send_announced", after_a_pause)
    peer = Peer()
    assert deliver_once(clock, peer) == DeliveryReport(failed=1)
    assert peer.bodies == []
    assert not DeliveryAttempt.objects.filter(may_have_arrived=True).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_send_the_same_message(clock):
    for number in range(6):
        write(f"m{number}", conversation=str(number), body=str(number).encode())
    other = Peer()

    class Slow(Peer):
        def request(self, **request):
            if not self.bodies:
                thread = threading.Thread(target=meanwhile)
                thread.start()
                thread.join()
            return super().request(**request)

    def meanwhile():
        deliver(clock, other)
        connection.close()

    slow = Slow()
    deliver(clock, slow)

    assert (slow.bodies, other.bodies) == ([b"0"], [b"1", b"2", b"3", b"4", b"5"])


@pytest.mark.django_db
def test_a_failure_after_the_answer_leaves_the_message_to_be_sent_again(clock):
    write("a1")

    def fail(_message, _answer):
        raise SystemExit("the process dies here")

    with pytest.raises(SystemExit, match="dies here"):
        deliver(clock, Peer(), fail)

    assert OutboxMessage.objects.get().delivered_at is None
    assert not DeliveryAttempt.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("failing", ["on_answer", "find_answer", "judge"])
def test_a_message_that_we_fail_on_is_put_off_and_holds_up_no_other(clock, caplog, failing):
    for key in ("a1", "b1"):
        write(key, conversation=key, body=key.encode())

    def fail_on_the_first(message, *_answer):
        if message.idempotency_key == "a1":
            raise ValueError("no such thing")
        return {"judge": Verdict.DELIVERED}.get(failing)

    report = deliver(clock, Peer(), **{failing: fail_on_the_first})

    assert report == DeliveryReport(delivered=1, failed=1)
    first, second = OutboxMessage.objects.order_by("pk")
    assert (first.delivered_at, first.attempts, first.last_error) == (None, 1, "We failed: ValueError('no such thing')")
    assert START < first.next_attempt_at <= START + FIRST_RETRY_AFTER
    assert second.delivered_at == START
    (record,) = caplog.records
    assert record.message == f"Message {first.pk} could not be dealt with; it is tried again. Mend the cause."

    clock.instant = first.deadline_at
    assert deliver(clock, Peer()) == DeliveryReport(dead=1)


@pytest.mark.django_db
def test_a_round_that_is_out_of_time_ends_and_the_next_begins_with_another_message(clock):
    # whatever took so long: what the receiver was sent may have arrived, so that counts
    for key in ("a1", "b1"):
        write(key, conversation=key, body=key.encode())
    with pytest.raises(SoftTimeLimitExceeded):
        deliver(clock, Peer(SoftTimeLimitExceeded()))
    assert list(OutboxMessage.objects.order_by("pk").values_list("attempts", flat=True)) == [1, 0]

    peer = Peer()
    deliver(clock, peer)
    assert peer.bodies == [b"b1"]


@pytest.mark.django_db
def test_more_failing_messages_than_a_round_takes_do_not_stand_before_a_new_one(clock):
    for number in range(120):
        write(f"m{number}", conversation=str(number), body=b"locked", deadline_at=START + timedelta(days=1))

    class Locked(Peer):
        def request(self, *, body, **request):
            super().request(body=body, **request)
            return Response(423, {}, b"locked") if body == b"locked" else OK

    peer = Locked()
    for _ in range(3):
        deliver(clock, peer)
        clock.instant += timedelta(minutes=1)
    assert set(OutboxMessage.objects.values_list("attempts", flat=True)) == {1, 2}, "each had its turn"

    write("new", conversation="new", body=b"new", now=clock.now(), deadline_at=START + timedelta(days=1))
    assert deliver(clock, peer) == DeliveryReport(delivered=1, failed=49)
    assert OutboxMessage.objects.get(delivered_at__isnull=False).idempotency_key == "new"
    assert not OutboxMessage.objects.filter(dead_at__isnull=False).exists()


@pytest.mark.django_db
def test_what_a_person_sends_again_begins_anew(clock):
    again = write("again", body=b"again", deadline_at=START + timedelta(days=1))
    peer = Peer(*[Response(503, {}, b"")] * 15, Response(400, {}, b"no"))
    while not OutboxMessage.objects.filter(dead_at__isnull=False).exists():
        deliver(clock, peer)
        clock.instant += timedelta(minutes=15)
    write("new", conversation="new", body=b"new", now=clock.now(), deadline_at=clock.now() + timedelta(hours=1))
    in_five_minutes = clock.now() + timedelta(minutes=5)
    resend(now=clock.now(), message_id=again.pk, deadline_at=in_five_minutes)

    failing = Peer(Response(503, {}, b""))
    deliver(clock, failing)

    assert failing.bodies == [b"again", b"new"]
    again.refresh_from_db()
    assert (again.attempts, again.dead_at) == (1, None)
    assert again.next_attempt_at <= clock.now() + FIRST_RETRY_AFTER
    assert again.delivery_attempts.count() == 17
    event = AuditEvent.objects.get(action="core.message.resent", subject_id=str(again.pk))
    assert (event.before["attempts"], event.after["attempts"]) == (16, 0)


@pytest.mark.django_db
@pytest.mark.parametrize("by_us", [False, True])
def test_what_a_person_sends_again_was_tried_before_all_the_same(clock, by_us):
    def fail(_message, _answer):
        raise ValueError("of ours")

    message = write("a1", deadline_at=START + timedelta(seconds=3))
    deliver(clock, Peer(OK if by_us else Response(400, {}, b"no")), fail)
    clock.instant += timedelta(seconds=3)
    deliver(clock, Peer())
    resend(now=clock.now(), message_id=message.pk, deadline_at=clock.now() + timedelta(hours=1))

    assert not cancel_untried(idempotency_key="a1", reason="Withdrawn.", now=clock.now())


@pytest.mark.django_db
def test_what_would_be_wrong_by_now_is_not_sent_again(clock):
    write("a1", deadline_at=START + timedelta(minutes=59), void_from=START + timedelta(hours=1))
    deliver(clock, Peer(Response(400, {}, b"no")))
    message = OutboxMessage.objects.get()

    in_an_hour = clock.now() + timedelta(minutes=90)
    resend(now=clock.now(), message_id=message.pk, deadline_at=in_an_hour)
    message.refresh_from_db()
    assert message.deadline_at == START + timedelta(hours=1)

    deliver(clock, Peer(Response(400, {}, b"no")))
    with pytest.raises(TooLate, match="Leave it as it is"):
        resend(now=START + timedelta(hours=1), message_id=message.pk, deadline_at=in_an_hour)
