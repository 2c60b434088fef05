"""The client against a small server that answers as it is told to."""

import json
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aggregator.core.http import HttpClient
from bidding.markets.afrr.acknowledgement import Verdict
from bidding.markets.afrr.client import NotSettledYet, Outcome, TennetClient, TennetUnavailable
from bidding.markets.afrr.real_time import Measurement, Setpoint
from tests.bid_documents import post_document
from tests.unit.bidding.markets.afrr.samples import acknowledgement

NOW = datetime(2026, 1, 14, 17, tzinfo=UTC)
MEASUREMENT = Measurement(NOW, 0, 0, 0, 0, is_in_control=False)
REFUSAL = json.dumps({"errors": [{"code": "TOO_OLD", "message": "It is 20 s old."}]}).encode()
FRONT = b"<html><h1>Not Found</h1></html>"


class Tennet(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked = []
        self.answer = (200, b"", {})

    def answers(self, status, body=b"", **headers):
        """Give this to every request from now on; status None drops the connection once the request is read."""
        self.answer = (status, body, headers)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: self.headers[name] for name in ("X-API-Key", "Content-Type") if name in self.headers}
        self.server.asked.append((self.command, self.path, headers, body))
        status, answer, more = self.server.answer
        if status is None:
            return
        self.send_response(status)
        for name, value in {**more, "Content-Length": str(len(answer))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def tennet():
    server = Tennet()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(tennet):
    http = HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"}))
    return TennetClient(http, f"http://127.0.0.1:{tennet.server_port}", "secret")


def send_document(client):
    return post_document(client, b"<the/>", mrid="document-1")


def test_a_document_goes_out_as_it_is_under_our_key(tennet, client):
    tennet.answers(200, acknowledgement(("A01", "Taken.")))
    sent = send_document(client)
    assert (sent.outcome, sent.why) == (Outcome.DONE, "TenneT answers: accepted; A01 Taken.")
    assert sent.acknowledgement.verdict is Verdict.ACCEPTED
    headers = {"X-API-Key": "secret", "Content-Type": "application/xml"}
    assert tennet.asked == [("POST", "/tennet/documents", headers, b"<the/>")]
    assert "secret" not in repr(client)


def test_a_rejection_is_for_good_and_says_why(tennet, client):
    tennet.answers(200, acknowledgement("A02", rejected=[("up-1", None, [("A57", "Gate closed.")])]))
    sent = send_document(client)
    assert (sent.outcome, sent.why) == (
        Outcome.REFUSED, "TenneT answers: rejected; A57 Gate closed. (bid up-1).",
    )  # fmt: skip


def test_what_was_taken_in_part_is_neither_done_nor_refused(tennet, client):
    tennet.answers(200, acknowledgement("A03", rejected=[("up-1", None, ["A59"])]))
    sent = send_document(client)
    assert (sent.outcome, sent.acknowledgement.rejected_mrids) == (Outcome.DONE_IN_PART, ("up-1",))


@pytest.mark.parametrize("body", [b"", FRONT, acknowledgement("A01", about="other"), acknowledgement("999")])
def test_an_answer_that_does_not_tell_leaves_the_document_unknown(tennet, client, body):
    tennet.answers(200, body)
    sent = send_document(client)
    assert (sent.outcome, sent.acknowledgement) == (Outcome.UNKNOWN, None)
    assert sent.why.startswith(("TenneT's acknowledgement", "'html' is no"))


STATUSES = [
    (302, Outcome.UNKNOWN), (400, Outcome.REFUSED), (401, Outcome.WAIT), (403, Outcome.WAIT), (404, Outcome.WAIT),
    (408, Outcome.UNKNOWN), (413, Outcome.REFUSED), (422, Outcome.REFUSED), (423, Outcome.WAIT), (425, Outcome.WAIT),
    (429, Outcome.WAIT), (500, Outcome.UNKNOWN), (502, Outcome.UNKNOWN), (503, Outcome.UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("status", "outcome"), STATUSES)
def test_only_what_says_so_was_not_processed(tennet, client, status, outcome):
    tennet.answers(status, REFUSAL)
    why = f"TenneT answered HTTP {status}. TOO_OLD: It is 20 s old."
    for sent in (send_document(client), client.send_measurement(MEASUREMENT)):
        assert (sent.outcome, sent.why, sent.acknowledgement) == (outcome, why, None)


def test_a_lost_answer_leaves_it_unknown(tennet, client):
    tennet.answers(None)
    assert client.send_measurement(MEASUREMENT).outcome is Outcome.UNKNOWN
    assert {path for _, path, _, _ in tennet.asked} == {"/tennet/measurements"}


def test_an_address_that_may_not_be_called_waits_until_people_mend_it(tennet):
    elsewhere = TennetClient(HttpClient(), f"http://127.0.0.1:{tennet.server_port}", "secret")
    sent = elsewhere.send_measurement(MEASUREMENT)
    assert sent.outcome is Outcome.WAIT
    assert "HTTP_ALLOWED_PRIVATE_HOSTS" in sent.why
    assert tennet.asked == []
    with pytest.raises(TennetUnavailable, match="HTTP_ALLOWED_PRIVATE_HOSTS"):
        elsewhere.fetch_setpoint()


@pytest.mark.parametrize("status", [429, 503])
def test_tennet_may_ask_to_be_left_alone(tennet, client, status):
    tennet.answers(status, Retry_After="7")
    assert send_document(client).asks_to_wait(NOW) == timedelta(seconds=7)
    assert client.send_measurement(MEASUREMENT).asks_to_wait(NOW) == timedelta(seconds=7)
    with pytest.raises(TennetUnavailable) as caught:
        client.fetch_setpoint()
    assert caught.value.answer.asks_to_wait(NOW) == timedelta(seconds=7)
    tennet.answers(None)
    assert client.send_measurement(MEASUREMENT).asks_to_wait(NOW) == timedelta(0)


def test_a_measurement_is_told(tennet, client):
    tennet.answers(204)
    assert client.send_measurement(MEASUREMENT).outcome is Outcome.DONE
    [(method, path, headers, body)] = tennet.asked
    assert (method, path, headers["Content-Type"]) == ("POST", "/tennet/measurements", "application/json")
    assert json.loads(body)["at"] == "2026-01-14T17:00:00Z"


def test_a_setpoint_is_asked_for(tennet, client):
    document = {"sequence": 1, "at": "2026-01-14T17:00:04Z", "delta_setpoint_mw": "1.250", "is_valid": True}
    tennet.answers(200, json.dumps(document).encode())
    at = datetime(2026, 1, 14, 17, 0, 4, tzinfo=UTC)
    assert client.fetch_setpoint() == Setpoint(1, at, Decimal("1.250"), is_valid=True)
    assert tennet.asked == [("GET", "/tennet/setpoint", {"X-API-Key": "secret"}, b"")]


@pytest.mark.parametrize(("status", "body"), [(200, FRONT), (200, b"{}"), (403, REFUSAL), (500, b""), (None, b"")])
def test_no_setpoint_is_told_apart_from_one(tennet, client, status, body):
    tennet.answers(status, body)
    with pytest.raises(TennetUnavailable):
        client.fetch_setpoint()


DAY = date(2026, 1, 14)


def test_a_day_that_is_not_settled_yet_is_told_apart_from_a_server_in_front(tennet, client):
    tennet.answers(404, json.dumps({"errors": [{"code": "NOT_YET", "message": "Made at 10:00."}]}).encode())
    with pytest.raises(NotSettledYet, match=r"HTTP 404\. NOT_YET: Made at 10:00\."):
        client.fetch_settlement(DAY)
    assert [path for _, path, _, _ in tennet.asked] == ["/tennet/settlements/2026-01-14"]
    for body in (FRONT, b"", b'{"errors": []}', b'{"errors": ["no"]}', b'{"message": "no Route matched"}'):
        tennet.answers(404, body)
        with pytest.raises(TennetUnavailable) as caught:
            client.fetch_settlement(DAY)
        assert type(caught.value) is TennetUnavailable


def test_a_settlement_that_cannot_be_read_is_unavailable(tennet, client):
    tennet.answers(200, b'{"day": "2026-01-13"}')
    with pytest.raises(TennetUnavailable, match="is of '2026-01-13', and not of 2026-01-14"):
        client.fetch_settlement(DAY)


def test_words_that_no_screen_or_database_takes_are_spelled_out(tennet, client):
    tennet.answers(422, json.dumps({"errors": [{"code": "A", "message": "\0\ud800"}]}).encode())
    assert client.send_measurement(MEASUREMENT).why == r"TenneT answered HTTP 422. 'A: \x00\ud800'"
