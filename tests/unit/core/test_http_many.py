"""Many requests at once, held to the rules of a single one."""

import socket
import time

import pytest

from aggregator.core.http import HttpClient, RequestFailed, RequestRefused
from aggregator.core.http_many import AT_ONCE, FAILURES_IN_A_ROW, Request, exchange_all
from tests.unit.core.test_http import BEFORE_THE_DRIP, client, peer, rebound, told_to

__all__ = ["client", "peer", "rebound"]  # fixtures


def get(url):
    return Request("GET", url)


def test_answers_come_in_the_order_of_the_requests(peer, client):
    found = exchange_all(client, [get(f"{peer}/{path}") for path in ("redirect", "", "redirect", *["x"] * 60)])
    assert [answer.status_code for answer in found] == [302, 200, 302, *[200] * 60]
    assert found[1].body == b"hello"


def test_one_that_fails_stops_no_other(peer, client):
    refused, endless, unknown, closed, fine = exchange_all(
        client,
        [
            get("http://169.254.169.254/"),
            get(f"{peer}/endless"),
            get("ftp://example.org/"),
            get("http://127.0.0.1:1/"),
            get(f"{peer}/"),
        ],
    )
    assert isinstance(refused, RequestRefused)
    assert endless.status_code == 200  # four megabytes are not too many
    assert isinstance(unknown, RequestRefused)
    assert isinstance(closed, RequestFailed)
    assert fine.body == b"hello"


def test_an_answer_that_is_too_large_is_not_read(peer, client, monkeypatch):
    monkeypatch.setattr("aggregator.core.http_many.LARGEST_RESPONSE_BYTES", 100_000)
    (found,) = exchange_all(client, [get(f"{peer}/endless")])
    assert isinstance(found, RequestFailed)
    assert "more than 100000 bytes" in str(found)


@pytest.mark.parametrize("path", BEFORE_THE_DRIP)
def test_an_answer_that_drips_in_for_ever_is_given_up(peer, client, path):
    started = time.monotonic()
    (found,) = exchange_all(client, [get(f"{peer}{path}")], silence_seconds=0.2)
    assert isinstance(found, RequestFailed)
    assert time.monotonic() - started < 4  # the drip takes five seconds


def test_a_host_that_does_not_answer_is_not_asked_for_all_of_it(client):
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        found = exchange_all(client, [get(url)] * (2 * AT_ONCE + 1), silence_seconds=0.2)

    assert {type(one) for one in found} == {RequestFailed}
    asked = sum("was not asked" not in str(one) for one in found)
    assert AT_ONCE <= asked < AT_ONCE + FAILURES_IN_A_ROW


@pytest.mark.parametrize("number", [0, 1])
def test_few_requests_are_no_exception(peer, client, number):
    assert len(exchange_all(client, [get(f"{peer}/")] * number)) == number


def test_a_name_that_leads_elsewhere_after_it_was_checked_is_told_nothing(rebound):
    inside, url = rebound
    (found,) = exchange_all(HttpClient(), [Request("POST", url, body=b"secret")], silence_seconds=0.2)
    assert isinstance(found, RequestRefused)
    assert told_to(inside) == b""


def test_a_host_that_is_private_is_refused_each_time(peer):
    found = exchange_all(HttpClient(), [get(f"{peer}/")] * 3)
    assert [type(one) for one in found] == [RequestRefused] * 3
