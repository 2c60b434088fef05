"""Counterparties that fail, or ask to be left alone, are, by sends and by polls."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from aggregator.core.http import RequestFailed, Response
from aggregator.core.messaging import breaker
from aggregator.core.messaging.operations import DeliveryReport
from aggregator.core.messaging.polling import PollingClient
from aggregator.core.models import Breaker, OutboxMessage
from tests.integration.core.outgoing import OK, START, Peer, deliver, write


@pytest.mark.django_db
def test_a_counterparty_that_fails_is_left_alone_and_holds_up_nobody(clock):
    for number in range(20):
        write(f"m{number}", conversation=str(number), body=str(number).encode())
    write("other", conversation="other", body=b"other", url="http://other.example:8080/x")
    write("soon", conversation="soon", body=b"soon", deadline_at=START + timedelta(seconds=1))
    dead = Peer(*[Response(503, {}, b"")] * 4, RequestFailed("no answer"))

    assert deliver(clock, dead).delivered == 1
    assert dead.bodies == [b"0", b"1", b"2", b"3", b"4", b"other"]
    (known,) = Breaker.objects.all()
    assert (known.counterparty, known.failures) == ("http://peer.example", 5)
    assert known.rests_until == START + breaker.FIRST_PAUSE

    # a deadline passes meanwhile; nothing else happens before the pause is over
    clock.instant += timedelta(seconds=4)
    assert deliver(clock, Peer()) == DeliveryReport(dead=1)

    # then one message is tried, and the next pause is longer
    clock.instant += timedelta(seconds=1)
    still_dead = Peer(RequestFailed("no answer"))
    deliver(clock, still_dead)
    assert len(still_dead.bodies) == 1
    assert Breaker.objects.get().rests_until == clock.instant + 2 * breaker.FIRST_PAUSE

    # an answer, whatever it says of this message, opens the way
    clock.instant += timedelta(minutes=5)
    alive = Peer(Response(400, {}, b"not this one"))
    assert deliver(clock, alive) == DeliveryReport(delivered=19, dead=1)
    assert not Breaker.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("at_search", [False, True])
@pytest.mark.parametrize(
    ("status", "said", "seconds"),
    [
        (429, "7", 7),
        (503, "Wed, 14 Jan 2026 15:00:40 GMT", 40),
        (503, "86400", 60),
        (429, "9" * 400, 0),
        (429, "soon", 0),
        (503, "Wed, 14 Jan 2026 14:00:00 GMT", 0),
        (500, "7", 0),
    ],
)
def test_a_counterparty_that_asks_to_be_left_alone_is(clock, at_search, status, said, seconds):
    answer = Response(status, {"retry-after": said}, b"")
    finds = iter([RequestFailed("no list", answer)] if at_search else [])

    def find_answer(_message):
        if failure := next(finds, None):
            raise failure

    for key in ("a1", "b1"):
        write(key, conversation=key)
    peer = Peer(*[] if at_search else [answer])
    deliver(clock, peer, find_answer=find_answer, limit=1)
    assert Breaker.objects.get().rests_until == (START + timedelta(seconds=seconds) if seconds else None)
    sent = len(peer.bodies)
    deliver(clock, peer)
    assert len(peer.bodies) - sent == (0 if seconds else 1)
    clock.instant += timedelta(seconds=seconds + 2)
    deliver(clock, peer)
    assert not OutboxMessage.objects.filter(delivered_at__isnull=True).exists()


@pytest.mark.django_db
def test_a_poll_heeds_and_sets_the_pauses_of_messages_and_counts_no_failures(clock):
    peer = Peer(*[Response(500, {"Retry-After": "7"}, b"")] * 6, Response(429, {"Retry-After": "7"}, b""))
    polls = PollingClient(peer, clock)

    def poll():
        return polls.request(method="GET", url="http://peer.example/x?y=/z", headers={}, body=b"")

    for _ in range(6):
        poll()
    assert not Breaker.objects.exists()
    poll()
    known = Breaker.objects.get()
    assert (known.counterparty, known.failures, known.rests_until) == (
        "http://peer.example", 0, START + timedelta(seconds=7),
    )  # fmt: skip

    write("a1")
    clock.instant += timedelta(seconds=6)
    assert deliver(clock, peer) == DeliveryReport()
    with pytest.raises(RequestFailed, match=r"peer.example is left alone.*before 16:00:07 Dutch"):
        poll()
    assert len(peer.bodies) == 7
    clock.instant += timedelta(seconds=1)
    assert poll() is OK
    assert deliver(clock, peer).delivered == 1
    assert not Breaker.objects.exists()


@pytest.mark.django_db
def test_a_failure_beside_an_answer_that_another_worker_got_is_not_counted(monkeypatch):
    # between the row's making and its counting, the other worker's answer deletes it
    monkeypatch.setattr(Breaker.objects, "bulk_create", lambda *_, **__: [])
    breaker.note("http://peer.example", trouble=True, now=START)
    assert not Breaker.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_worker_tries_whether_a_counterparty_is_back(clock):
    for number in range(4):
        write(f"m{number}", conversation=str(number), body=str(number).encode())
    Breaker.objects.create(counterparty="http://peer.example", failures=5, rests_until=START)
    other = Peer()

    class Probed(Peer):
        def request(self, **_request):
            thread = threading.Thread(target=meanwhile)
            thread.start()
            thread.join()
            raise RequestFailed("still dead")

    def meanwhile():
        deliver(clock, other)
        connection.close()

    deliver(clock, Probed())
    assert other.bodies == []
    assert Breaker.objects.get().failures == 6
