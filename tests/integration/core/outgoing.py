"""Messages to one peer, as the tests of their delivery write and send them."""

from datetime import UTC, datetime, timedelta

from aggregator.core.http import Response
from aggregator.core.messaging.operations import deliver_due, enqueue

START = datetime(2026, 1, 14, 15, tzinfo=UTC)
OK = Response(200, {}, b"ok")


class Peer:
    """Answers from a list, and remembers what it was sent."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.bodies = []

    def request(self, *, body, **_request):
        self.bodies.append(body)
        answer = self.answers.pop(0) if self.answers else OK
        if isinstance(answer, BaseException):
            raise answer
        return answer


def write(key, *, conversation="a", body=b"{}", now=START, **more):
    values = {"url": "http://peer.example/", "deadline_at": START + timedelta(hours=1), **more}
    return enqueue(
        now=now, channel="exchange", conversation=conversation, idempotency_key=key, method="POST", headers={},
        body=body, **values,
    )  # fmt: skip


def deliver(clock, peer, on_answer=lambda _message, _answer: None, **more):
    return deliver_due(
        clock=clock, channel="exchange", http=peer, credentials=lambda _message: {}, on_answer=on_answer, **more
    )
