from datetime import timedelta

import pytest

from aggregator.core import services as core_services
from aggregator.core.models import OutboxMessage
from bidding.markets.uftp.transport import MESSAGE_PATH
from bidding.uftp import services
from bidding.uftp.line import Line
from tests.conformance.uftp.samples import NOW
from tests.integration.uftp.operator_side import counterparty_server, limit_request, post, sealed

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(client, contract):
    """A request that we have to answer, and offer for."""
    post(client, sealed(limit_request()))


def sent(other_side):
    return [body for path, _, body in other_side.requests if path == MESSAGE_PATH]


def elements(other_side):
    return [message.element for message in other_side.messages()]


def test_one_token_serves_many_messages(asked, tick, other_side):
    tick()
    tokens = [headers["Authorization"] for path, headers, _ in other_side.requests if path == MESSAGE_PATH]
    assert tokens == ["Bearer token-1", "Bearer token-1"]
    form = next(body for path, _, body in other_side.requests if path == "/token")
    assert form == b"grant_type=client_credentials&client_id=agr&client_secret=secret"


def test_a_token_is_renewed_before_it_expires_and_not_sooner(other_side, set_clock):
    source = services.tokens()
    for seconds, token in ((0, 1), (269, 1), (270, 2), (539, 2), (540, 3)):
        set_clock(NOW + timedelta(seconds=seconds))
        assert source.headers() == {"Authorization": f"Bearer token-{token}"}


def test_a_refused_token_is_renewed_once_and_the_same_bytes_go_again(asked, tick, other_side):
    other_side.answers[MESSAGE_PATH] = [(401, "expired")]
    tick()
    assert sent(other_side)[0] == sent(other_side)[1]
    assert other_side.tokens_given == 2
    assert not OutboxMessage.objects.filter(delivered_at=None).exists()


def test_a_signature_that_is_refused_twice_is_given_up_and_so_is_the_offer(asked, tick, other_side):
    other_side.answers[MESSAGE_PATH] = [(401, "signature"), (401, "signature")]
    tick()
    tick()
    assert len(sent(other_side)) == 2
    assert OutboxMessage.objects.filter(dead_at__isnull=False).count() == 2


@pytest.mark.parametrize("status", [419, 429, 404, 500, 503])
def test_what_may_heal_is_sent_again_with_the_same_bytes_in_the_same_order(asked, tick, other_side, set_clock, status):
    other_side.answers[MESSAGE_PATH] = [(status, "")]
    tick()
    assert elements(other_side) == ["FlexRequestResponse"]  # the offer waits

    set_clock(NOW + timedelta(minutes=1))
    tick()
    assert elements(other_side) == ["FlexRequestResponse", "FlexRequestResponse", "FlexOffer"]
    assert sent(other_side)[0] == sent(other_side)[1]


def test_a_repeat_refused_as_duplicate_has_arrived(asked, tick, other_side, set_clock):
    other_side.answers[MESSAGE_PATH] = [(500, "reset after processing"), (400, "Duplicate message")]
    tick()
    set_clock(NOW + timedelta(minutes=1))
    tick()
    assert elements(other_side)[-1] == "FlexOffer"
    assert not OutboxMessage.objects.filter(delivered_at=None).exists()


class Killed(BaseException):
    """Ends a worker like SIGKILL: nothing of what it did not commit remains."""


def test_a_repeat_by_the_successor_of_a_sender_that_died_has_arrived(asked, tick, other_side, monkeypatch):
    send = Line.request

    def send_and_die(line, **request):
        send(line, **request)
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(Line, "request", send_and_die)
        with pytest.raises(Killed):
            tick()
    assert set(OutboxMessage.objects.values_list("attempts", flat=True)) == {0}, "nobody knows that one was sent"
    other_side.answers[MESSAGE_PATH] = [(400, "Duplicate message")]
    tick()
    assert elements(other_side) == ["FlexRequestResponse", "FlexRequestResponse", "FlexOffer"]
    assert not OutboxMessage.objects.filter(delivered_at=None).exists()


@pytest.mark.parametrize("words", ["Duplicate MessageID, other content", "Duplicate Identifier", "Invalid"])
def test_a_repeat_refused_for_another_reason_is_given_up(asked, tick, other_side, set_clock, words):
    other_side.answers[MESSAGE_PATH] = [(500, ""), (400, words)]
    tick()
    set_clock(NOW + timedelta(minutes=1))
    tick()
    assert OutboxMessage.objects.filter(dead_at__isnull=False).count() == 2


def test_a_redirect_is_followed_but_never_takes_the_token_elsewhere(asked, tick, other_side):
    with counterparty_server() as elsewhere:
        other_side.answers[MESSAGE_PATH] = [(307, elsewhere.address + MESSAGE_PATH)]
        tick()
        assert elements(elsewhere) == ["FlexRequestResponse"]
        assert "Authorization" not in elsewhere.requests[0][1]


@pytest.mark.parametrize("nowhere", ["http://peer:99999/", "ftp://peer.example/", "http://10.0.0.1/"])
def test_a_redirect_to_nowhere_is_tried_again_like_any_other_failure(asked, tick, other_side, set_clock, nowhere):
    other_side.answers[MESSAGE_PATH] = [(307, nowhere)]
    tick()
    first = OutboxMessage.objects.order_by("id")[0]
    assert (first.attempts, first.dead_at) == (1, None)
    assert first.last_error.startswith(f"{other_side.address}{MESSAGE_PATH} redirects to {nowhere!r}, where nothing")
    set_clock(NOW + timedelta(minutes=1))
    tick()
    assert elements(other_side) == ["FlexRequestResponse", "FlexRequestResponse", "FlexOffer"]


def test_a_participant_with_an_endpoint_gets_no_token(asked, tick, other_side, contract):
    with counterparty_server() as elsewhere:
        contract.dso.endpoint = elsewhere.address + MESSAGE_PATH
        contract.dso.save()
        tick()
        assert elements(elsewhere) == ["FlexRequestResponse", "FlexOffer"]
        assert all("Authorization" not in headers for _, headers, _ in elsewhere.requests)
    assert other_side.tokens_given == 0


@pytest.mark.parametrize(
    ("setting", "mended"), [("UFTP_TOKEN_URL", "/token"), ("HTTP_ALLOWED_PRIVATE_HOSTS", ["127.0.0.1"])]
)
def test_what_a_setting_forbids_to_call_waits_until_that_is_mended(
    asked, tick, other_side, set_clock, settings, caplog, setting, mended
):
    def set_to(value):
        setattr(settings, setting, value)
        for made_once in (core_services.http_client, services.tokens, services.line):
            made_once.cache_clear()

    set_to("http://10.0.0.1/token" if setting == "UFTP_TOKEN_URL" else [])
    tick()
    first = OutboxMessage.objects.order_by("id")[0]
    assert (first.attempts, first.dead_at) == (1, None)
    assert "is on a private network" in first.last_error
    assert first.last_error in caplog.text
    set_to(other_side.address + mended if setting == "UFTP_TOKEN_URL" else mended)
    set_clock(NOW + timedelta(minutes=1))
    tick()
    assert elements(other_side) == ["FlexRequestResponse", "FlexOffer"]


def test_without_a_token_the_message_waits(asked, tick, other_side, set_clock):
    other_side.answers["/token"] = [(503, "")]
    tick()
    assert "token endpoint answered 503" in OutboxMessage.objects.order_by("id")[0].last_error
    set_clock(NOW + timedelta(minutes=1))
    tick()
    assert elements(other_side) == ["FlexRequestResponse", "FlexOffer"]
