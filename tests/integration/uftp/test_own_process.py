"""Messages in a process of their own, as gunicorn serves it: over HTTP, with its own connections to the database."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection, HTTPException

import pytest
from django.conf import settings
from django.db import connection
from hypothesis import given
from psycopg.conninfo import make_conninfo

from aggregator.core.models import InboxMessage
from aggregator.core.rates import seconds_left
from aggregator.processes import free_port
from bidding.markets.uftp.codec import serialise
from bidding.markets.uftp.envelope import MAX_BODY_BYTES, seal
from bidding.markets.uftp.transport import CONTENT_TYPE, MESSAGE_PATH
from bidding.markets.uftp.vocabulary import Role
from bidding.models import UftpParticipant, UftpPublicKey
from bidding.uftp import own_process
from bidding.uftp.last_key import Outcome
from bidding.uftp.own_process import MOST_QUICK_BYTES
from tests.conformance.uftp.samples import DSO, OFFER, REQUEST
from tests.integration.uftp.damage import any_bytes, any_documents, bounded
from tests.integration.uftp.operator_side import KEY, OTHER_KEY, sealed
from tests.shared_data import REPOSITORY

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 12
WHERE = ("host", "port", "user", "password", "dbname")


@pytest.fixture
def door(operator):
    with serving() as post:
        yield post


@contextmanager
def serving(**environment):
    """Run the process on the test's database; yield what posts to it and returns status and text."""
    port, given = free_port(), connection.get_connection_params()
    own = {
        **os.environ,
        "DATABASE_URL": make_conninfo(**{name: given[name] for name in WHERE if name in given}),
        "REDIS_URL": settings.REDIS_URL,
        "UFTP_DOMAIN": settings.UFTP_DOMAIN,
        **environment,
    }
    command = [sys.executable, "-m", "gunicorn", "aggregator.uftp", "--bind", f"127.0.0.1:{port}"]
    command += ["--worker-class", "asgi", "--no-control-socket"]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=own, stderr=subprocess.DEVNULL, start_new_session=True)

    def ask(body, *, method="POST", path=MESSAGE_PATH, **headers):
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as line:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it read everything
                line.request(method, path, body, {"Content-Type": CONTENT_TYPE} | headers)
            answer = line.getresponse()
            return answer.status, answer.read().decode()

    try:
        _wait_for(lambda: ask(b"", method="GET", path="/healthz") == (200, "live"), process)
        ask.kill = lambda: os.killpg(process.pid, signal.SIGKILL)
        yield ask
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _wait_for(is_ready, process):
    deadline = time.monotonic() + 60
    while True:
        with suppress(ConnectionRefusedError):
            assert is_ready()
            break
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)


def another(message=REQUEST, **changes):
    return replace(message, message_id=str(uuid.uuid4()), **changes)


def signed(document):
    return seal(document, sender_domain=DSO, sender_role=Role.DSO, private_key=KEY)


def all_at_once(ask, bodies):
    with ThreadPoolExecutor(AT_ONCE) as senders:
        return list(senders.map(ask, bodies))


def stored_bodies():
    return sorted(bytes(body) for body in InboxMessage.objects.values_list("body", flat=True))


def test_each_condition_has_its_status(door):
    good, long_conversation = sealed(REQUEST), "x" * MOST_QUICK_BYTES
    spoiled = serialise(another()).replace(b'Revision="1"', b'Revision="one"')
    for _ in range(2):  # the process learns the sender's key by the first message
        answers = {
            "stored": door(sealed(another()))[0],
            "repeated": [door(good) for _ in range(2)],
            "json": door(good, **{"Content-Type": "application/json"})[0],
            "no xml": door(b"hello")[0],
            "document type": door(b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + good)[0],
            "empty": door(b"")[0],
            "too large": door(b"<a>" + b"x" * MAX_BODY_BYTES + b"</a>")[0],
            "large and wrong": door(f"<a>{long_conversation}</a>".encode())[0],
            "against the structure": door(signed(spoiled))[0],
            "unknown domain": door(sealed(another(), domain="stranger.example"))[0],
            "known in another role": door(sealed(another(OFFER), role=Role.AGR))[0],
            "another key": door(sealed(another(), key=OTHER_KEY))[0],
            "other content": door(sealed(replace(REQUEST, revision=2))),
            "GET": door(b"", method="GET")[0],
            "elsewhere": door(good, path="/admin/")[0],
        }
        refused = answers.pop("other content")
        assert (refused[0], refused[1].split(":")[0]) == (400, "Duplicate Identifier")
        assert answers == {
            "stored": 200, "repeated": [(200, ""), (200, "")], "json": 400, "no xml": 400, "document type": 400,
            "empty": 400, "too large": 400, "large and wrong": 400, "against the structure": 400,
            "unknown domain": 419, "known in another role": 200, "another key": 401, "GET": 405, "elsewhere": 404,
        }  # fmt: skip
    assert InboxMessage.objects.count() == 5


@bounded
@given(body=any_bytes | any_documents.map(signed))
def test_any_bytes_get_an_answer_of_the_protocol(door, body):
    assert door(body)[0] in {200, 400, 401, 411, 419}


def test_a_body_of_unknown_length_is_refused(door):
    assert door(iter([b"<a/>"]), **{"Transfer-Encoding": "chunked"})[0] == 411


def test_messages_that_come_at_once_are_each_stored_byte_for_byte_and_once(door):
    bodies = [sealed(another()) for _ in range(60)]
    conflicting = sealed(replace(REQUEST, revision=2))
    door(sealed(REQUEST))

    answers = all_at_once(door, [*bodies, conflicting, *bodies])

    assert [status for status, _ in answers] == [200] * 60 + [400] + [200] * 60
    assert stored_bodies() == sorted([sealed(REQUEST), *bodies])


def test_a_key_that_was_good_a_message_ago_counts_only_if_it_is_valid_now(door):
    assert door(sealed(another()))[0] == 200
    UftpPublicKey.objects.update(text=str(OTHER_KEY.public_key))
    assert {status for status, _ in all_at_once(door, [sealed(another()) for _ in range(12)])} == {401}
    assert door(sealed(another(), key=OTHER_KEY))[0] == 200


def test_of_messages_at_once_as_many_are_taken_as_fit_into_the_minute(operator):
    UftpParticipant.objects.update(domain="counted.example")
    with serving(UFTP_REQUESTS_PER_MINUTE="5") as door:
        if seconds_left() < 20:
            time.sleep(seconds_left())
        answers = all_at_once(door, [sealed(another(), domain="counted.example") for _ in range(30)])
    assert sorted(status for status, _ in answers) == [200] * 5 + [429] * 25
    assert InboxMessage.objects.count() == 5


def test_what_cannot_be_stored_is_to_come_again(door):
    door(sealed(REQUEST))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_inboxmessage ADD CONSTRAINT disk_full CHECK (false) NOT VALID")
    try:
        assert {status for status, _ in all_at_once(door, [sealed(another()) for _ in range(12)])} == {503}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE core_inboxmessage DROP CONSTRAINT disk_full")
    assert door(sealed(another()))[0] == 200


def test_what_was_answered_is_stored_whenever_the_process_dies(door):
    bodies, answered = [sealed(another()) for _ in range(400)], []

    def send(body):
        if len(answered) == 100:
            door.kill()
        with suppress(OSError, HTTPException):
            assert door(body)[0] == 200
            answered.append(body)

    all_at_once(send, bodies)

    assert 100 <= len(answered) < 400
    assert set(answered) <= set(stored_bodies())


def test_what_comes_while_a_turn_is_under_way_takes_the_next_together(monkeypatch):
    turns, is_first_in, is_first_out = [], threading.Event(), threading.Event()

    def store_all(messages):
        turns.append(list(messages))
        is_first_in.set()
        assert is_first_out.wait(30)
        return [Outcome.STORED] * len(messages)

    async def send_five():
        in_turns = own_process._InTurns()
        first = asyncio.create_task(in_turns.store("a"))
        await asyncio.to_thread(is_first_in.wait, 30)
        rest = [asyncio.create_task(in_turns.store(one)) for one in "bcde"]
        await asyncio.sleep(0)
        rest[1].cancel()  # c hangs up: the others are stored all the same, and so is c
        is_first_out.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    monkeypatch.setattr(own_process, "store_all", store_all)
    answers = asyncio.run(send_five())

    assert turns == [["a"], ["b", "c", "d", "e"]]
    assert [answer is Outcome.STORED for answer in answers] == [True, True, False, True, True]
