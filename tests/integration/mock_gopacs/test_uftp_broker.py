"""The doors of the UFTP side: tokens, address book, and what the broker refuses at once."""

import socket
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidding.markets.uftp import messages as m
from bidding.markets.uftp.codec import serialise
from bidding.markets.uftp.envelope import seal
from bidding.markets.uftp.keys import key_from_seed
from bidding.markets.uftp.vocabulary import Role
from tests.integration.mock_gopacs.market_process import EAN_CENTRE, utc
from tests.integration.mock_gopacs.uftp_aggregator import (
    ADDRESS_BOOK,
    AGR,
    BROKER,
    CLIENT_ID,
    CLIENT_SECRET,
    CONTRACT,
    DSO,
    TOKEN_PATH,
    new_id,
    uftp_scenario,
)

OTHER_KEY = key_from_seed(b"o" * 32)
OUR_KEY = key_from_seed(b"a" * 32)


def ask_token(stage, **changes):
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **changes}
    return requests.post(stage.market.address + TOKEN_PATH, data=form, timeout=20)


def look_up(stage, path, *, with_token=True):
    headers = stage.aggregator.authorization() if with_token else {}
    return requests.get(f"{stage.market.address}/uftp-participants/{path}", headers=headers, timeout=20)


def message(stage, **changes):
    values = {
        "version": "3.0.0", "sender_domain": AGR, "recipient_domain": DSO, "time_stamp": stage.aggregator.now,
        "message_id": new_id(), "conversation_id": new_id(), **changes,
    }  # fmt: skip
    return m.TestMessage(**values)


def test_a_token_is_given_for_the_clients_secret(stage):
    answer = ask_token(stage)
    document = answer.json()
    assert (answer.status_code, document["token_type"], document["expires_in"]) == (200, "Bearer", 300)
    assert answer.headers["Cache-Control"] == "no-store"
    # and for the same as a Basic header
    basic = requests.post(
        stage.market.address + TOKEN_PATH,
        data={"grant_type": "client_credentials"},
        auth=(CLIENT_ID, CLIENT_SECRET),
        timeout=20,
    )
    assert basic.status_code == 200
    assert basic.json()["access_token"] != document["access_token"]


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "unauthorized_client"),
        ({"client_id": "stranger"}, 401, "unauthorized_client"),
        ({"client_id": "\x00", "client_secret": "\x00"}, 401, "unauthorized_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_no_token_is_given_otherwise(stage, changes, status, error):
    answer = ask_token(stage, **changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_the_log_keeps_neither_secrets_nor_tokens(stage):
    token = ask_token(stage).json()["access_token"]
    log = stage.market.control("GET", "log")
    assert [entry["path"] for entry in log] == [TOKEN_PATH]
    assert CLIENT_SECRET not in str(log)
    assert token not in str(log)


def test_a_token_opens_the_door_only_while_it_lives(stage):
    document = uftp_scenario(stage.aggregator)
    stage.market.load({**document, "settings": {"token_lifetime_seconds": 0}})
    stage.aggregator.renew_token()
    body = stage.aggregator.seal(message(stage))
    assert stage.aggregator.post(body).status_code == 401
    stage.market.load(document)
    assert stage.aggregator.post(body).status_code == 401  # a load forgets every token
    stage.aggregator.renew_token()
    assert stage.aggregator.post(body).status_code == 200


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic abc", "Bearer \x80"])
def test_without_a_live_token_the_broker_and_the_address_book_are_closed(stage, authorization):
    headers = {"Authorization": authorization.encode("latin-1"), "Content-Type": "text/xml"}
    answer = requests.post(stage.market.address + BROKER, data=b"<a/>", headers=headers, timeout=20)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="gopacs"')
    answer = requests.get(f"{stage.market.address}{ADDRESS_BOOK}/{DSO}", headers=headers, timeout=20)
    assert answer.status_code == 401


def test_the_address_book_gives_keys_by_domain_and_by_contract(stage):
    by_domain = look_up(stage, f"v3/participants/{DSO}")
    assert (by_domain.status_code, set(by_domain.json())) == (200, {"domain", "publicKey"})
    assert look_up(stage, f"v3/participants/contracts/{CONTRACT}/roles/DSO").json() == by_domain.json()
    assert look_up(stage, f"v3/participants/contracts/{CONTRACT}/roles/AGR").json() == {
        "domain": AGR,
        "publicKey": str(OUR_KEY.public_key),
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("v3/participants/nobody.example.nl", 404),
        ("v3/participants/%00", 404),
        ("v3/participants/contracts/none/roles/DSO", 404),
        (f"v3/participants/contracts/{CONTRACT}/roles/CRO", 400),
        ("v4/participants/nobody", 404),
    ],
)
def test_what_the_address_book_does_not_know(stage, path, status):
    assert look_up(stage, path).status_code == status


def test_the_old_address_book_answers_without_a_token_until_it_is_removed(stage):
    by_domain = look_up(stage, f"v2/participants/DSO/{DSO}", with_token=False).json()
    assert (by_domain["domain"], by_domain["endpoint"]) == (DSO, BROKER)
    assert look_up(stage, f"v2/participants/DSO?contractedEan={EAN_CENTRE}", with_token=False).json() == by_domain
    assert look_up(stage, f"v2/participants/AGR/{DSO}", with_token=False).status_code == 404
    assert look_up(stage, "v2/participants/DSO?contractedEan=1", with_token=False).status_code == 404
    for status in (404, 410):
        stage.market.control("POST", "uftp/address-book-v2", json={"status": status})
        assert look_up(stage, f"v2/participants/DSO/{DSO}", with_token=False).status_code == status
    assert look_up(stage, f"v3/participants/{DSO}").status_code == 200


def test_an_aggregators_old_key_is_taken_for_a_day_after_rotation(stage):
    new = stage.market.control(
        "POST", f"uftp/participants/{AGR}/rotate-key", json={"public_key": str(OTHER_KEY.public_key)}
    )
    assert new == {"domain": AGR, "publicKey": str(OTHER_KEY.public_key)}
    assert look_up(stage, f"v3/participants/{AGR}").json() == new
    for key, instant, status in [
        (OUR_KEY, utc(14, 40), 200),
        (OTHER_KEY, utc(14, 40), 200),
        (OUR_KEY, utc(14, 39, day=15), 200),
        (OUR_KEY, utc(14, 40, day=15), 401),
        (OTHER_KEY, utc(14, 40, day=15), 200),
    ]:
        stage.set_clock(instant)
        body = stage.aggregator.seal(message(stage), private_key=key)
        assert stage.aggregator.post(body).status_code == status


@pytest.mark.parametrize(
    ("domain", "body", "status"),
    [(AGR, {}, 400), (AGR, {"public_key": "short"}, 400), (AGR, {"public_key": 7}, 400), ("nobody.nl", {}, 404),
     (DSO, {"overlap_hours": "many"}, 400)],
)  # fmt: skip
def test_a_rotation_that_makes_no_sense_is_refused(stage, domain, body, status):
    answer = requests.post(
        f"{stage.market.address}/control/uftp/participants/{domain}/rotate-key",
        headers={"X-Control-Token": "control"}, json=body, timeout=20,
    )  # fmt: skip
    assert answer.status_code == status


def test_a_message_is_answered_with_an_empty_200_and_kept_byte_for_byte(stage):
    body = stage.aggregator.seal(message(stage))
    answer = stage.aggregator.post(body, **{"Content-Type": "application/xml"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert [item["element"] for item in stage.messages()] == ["TestMessage", "TestMessageResponse"]


def test_a_message_id_that_was_seen_is_a_duplicate_whatever_it_says(stage):
    first = message(stage)
    other = replace(first, time_stamp=first.time_stamp + timedelta(seconds=1))
    assert stage.aggregator.post(stage.aggregator.seal(first)).status_code == 200
    for again in (first, other):
        answer = stage.aggregator.post(stage.aggregator.seal(again))
        assert (answer.status_code, answer.text) == (400, "Duplicate message")
    assert len(stage.messages()) == 2


@pytest.mark.parametrize(
    ("sealing", "status"),
    [
        ({"private_key": OTHER_KEY}, 401),
        ({"sender_domain": "nobody.example.nl"}, 401),
        ({"sender_domain": DSO}, 401),
        ({"sender_role": Role.DSO}, 401),
    ],
)
def test_who_cannot_prove_who_it_is_gets_401(stage, sealing, status):
    assert stage.aggregator.post(stage.aggregator.seal(message(stage), **sealing)).status_code == status
    assert stage.messages() == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"no xml", b"<SignedMessage/>", b"<a/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<SignedMessage " + b"x" * 300_000,
        b'<SignedMessage SenderDomain="agr.example.nl" SenderRole="AGR" Body="!"/>',
    ],
)  # fmt: skip
def test_what_cannot_be_read_gets_400(stage, body):
    assert stage.aggregator.post(body).status_code == 400
    assert stage.messages() == []


def test_a_signed_message_that_breaks_the_schema_gets_400(stage):
    document = serialise(message(stage)).replace(b"MessageID", b"MesageID", 1)
    body = seal(document, sender_domain=AGR, sender_role=Role.AGR, private_key=OUR_KEY)
    answer = stage.aggregator.post(body)
    assert answer.status_code == 400
    assert "MessageID" in answer.text


def test_a_recipient_that_is_not_here_gets_400(stage):
    answer = stage.aggregator.post(stage.aggregator.seal(message(stage, recipient_domain="other.example.nl")))
    assert (answer.status_code, answer.text) == (400, "Unknown recipient other.example.nl")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/xml; charset=utf-16"])
def test_another_content_type_gets_400(stage, content_type):
    body = stage.aggregator.seal(message(stage))
    assert stage.aggregator.post(body, **{"Content-Type": content_type}).status_code == 400


def test_a_body_of_unknown_length_gets_411(stage):
    parts = urlsplit(stage.market.address)
    head = (
        f"POST {BROKER} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: text/xml\r\n"
        f"Authorization: {stage.aggregator.authorization()['Authorization']}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(head.encode() + b"3\r\n<a>\r\n0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 411")


def test_an_order_from_an_aggregator_is_rejected(stage):
    order = m.FlexOrder(
        version="3.0.0", sender_domain=AGR, recipient_domain=DSO, time_stamp=stage.aggregator.now,
        message_id=new_id(), conversation_id=new_id(), isp_duration=timedelta(minutes=15),
        time_zone="Europe/Amsterdam", period=utc(16).date(), congestion_point=f"ean.{EAN_CENTRE}",
        flex_offer_message_id=new_id(), price=Decimal(0), currency="EUR", order_reference="mine",
        isps=(m.PowerIsp(power_w=1, start=69),),
    )  # fmt: skip
    assert stage.aggregator.post(stage.aggregator.seal(order)).status_code == 200
    reasons = stage.messages()[1]["content"]["RejectionReason"].split(";")
    assert reasons == ["Invalid Sender (not matching role)", "Unknown FlexOfferMessageID reference"]


def test_without_a_scenario_nothing_is_taken(stage):
    body, headers = stage.aggregator.seal(message(stage)), stage.aggregator.authorization()
    stage.market.control("POST", "reset")
    answer = requests.post(
        stage.market.address + BROKER, data=body, headers={**headers, "Content-Type": "text/xml"}, timeout=20
    )
    assert answer.status_code == 401
    assert ask_token(stage).status_code == 503


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300)
    | st.builds(
        lambda domain, role, sealed: f'<SignedMessage SenderDomain="{domain}" SenderRole="{role}" Body="{sealed}"/>',
        st.sampled_from([AGR, DSO, "é"]), st.sampled_from(["AGR", "DSO", "X"]), st.text("AQ=+\x00", max_size=90),
    ).map(str.encode)
)  # fmt: skip
def test_no_body_makes_the_broker_fail(stage, body):
    assert stage.aggregator.post(body).status_code in {400, 401}
