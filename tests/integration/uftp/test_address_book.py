import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.cache import cache

from bidding.markets.uftp.messages import TestMessage as Ping
from bidding.markets.uftp.vocabulary import Role
from bidding.models import UftpParticipant
from bidding.uftp import address_book
from bidding.uftp.address_book import keys_of
from tests.conformance.uftp.samples import DSO, NOW, REQUEST, metadata
from tests.conformance.uftp.samples import ORDER_ID as OTHER_ID
from tests.integration.uftp.operator_side import KEY, OTHER_KEY, post, sealed

pytestmark = pytest.mark.django_db
PATH = f"/participants/{DSO}"


@pytest.fixture(autouse=True)
def _book(settings, other_side):
    settings.UFTP_ADDRESS_BOOK_URL = other_side.address


def lookups(other_side):
    return [path for path, _, _ in other_side.requests if path.startswith("/participants/")]


def test_an_unknown_sender_is_looked_up_once_and_remembered(client, other_side):
    assert post(client, sealed(REQUEST)).status_code == 200
    assert post(client, sealed(replace(REQUEST, revision=2, message_id=OTHER_ID))).status_code == 200

    assert lookups(other_side) == [PATH]
    assert other_side.requests[1][1]["Authorization"] == "Bearer token-1"
    participant = UftpParticipant.objects.get()
    assert (participant.source, participant.fetched_at) == ("address_book", NOW)


def test_a_stranger_is_asked_for_once_a_minute(client, other_side):
    ping = Ping(**metadata(Role.DSO))
    assert [post(client, sealed(ping, domain="stranger.example")).status_code for _ in range(3)] == [419] * 3
    assert len(lookups(other_side)) == 1


def test_a_changed_key_is_found_at_the_first_message_and_the_old_one_holds_a_day(client, other_side, set_clock):
    post(client, sealed(REQUEST))
    other_side.key_text = str(OTHER_KEY.public_key)

    rotated = post(client, sealed(replace(REQUEST, message_id=OTHER_ID), key=OTHER_KEY))

    assert rotated.status_code == 200
    assert keys_of(domain=DSO, role=Role.DSO, now=NOW) == [OTHER_KEY.public_key, KEY.public_key]
    a_day_later = NOW + timedelta(hours=24)
    assert keys_of(domain=DSO, role=Role.DSO, now=a_day_later) == [OTHER_KEY.public_key]


def test_an_old_answer_is_asked_for_again_and_holds_when_nobody_answers(client, other_side, set_clock):
    post(client, sealed(REQUEST))
    set_clock(NOW + timedelta(hours=2))
    other_side.answers[PATH] = [(503, "")]

    assert post(client, sealed(replace(REQUEST, message_id=OTHER_ID))).status_code == 200
    assert len(lookups(other_side)) == 2


def test_a_new_key_may_come_again_when_nobody_says_whose_it_is(client, other_side):
    post(client, sealed(REQUEST))
    other_side.key_text = str(OTHER_KEY.public_key)
    other_side.answers[PATH] = [(503, "")]

    rotated = sealed(replace(REQUEST, message_id=OTHER_ID), key=OTHER_KEY)
    assert [post(client, rotated).status_code for _ in range(2)] == [419, 200]


def test_strangers_who_use_up_the_look_ups_make_nobody_give_up_a_new_key(client, other_side, monkeypatch):
    monkeypatch.setattr(address_book, "LOOKUPS_PER_MINUTE", 2)
    post(client, sealed(REQUEST))
    other_side.key_text = str(OTHER_KEY.public_key)
    post(client, sealed(Ping(**metadata(Role.DSO)), domain="stranger.example"))

    assert post(client, sealed(replace(REQUEST, message_id=OTHER_ID), key=OTHER_KEY)).status_code == 419


def test_who_left_the_address_book_is_believed_for_a_day_more(client, other_side, set_clock):
    post(client, sealed(REQUEST))
    left_at = NOW + timedelta(hours=2)
    other_side.answers[PATH] = [(404, "")] * 2
    for hours, status in ((0, 200), (23, 200), (24, 419)):
        set_clock(left_at + timedelta(hours=hours))
        again = replace(REQUEST, message_id=str(uuid.uuid4()))
        assert post(client, sealed(again)).status_code == status, hours
    cache.clear()
    assert post(client, sealed(again)).status_code == 419
    cache.clear()  # and it is there again
    assert post(client, sealed(again)).status_code == 200


def test_who_was_entered_by_hand_wins(client, other_side, operator):
    other_side.key_text = str(OTHER_KEY.public_key)
    assert post(client, sealed(REQUEST, key=OTHER_KEY)).status_code == 401
    assert lookups(other_side) == []


@pytest.mark.parametrize("answer", ["", "[]", '{"publicKey": 3}', '{"publicKey": "AAAA"}', '{"domain": "x"}'])
def test_a_useless_answer_is_no_key(client, other_side, answer):
    other_side.answers[PATH] = [(200, answer)]
    assert post(client, sealed(REQUEST)).status_code == 419


def test_the_same_message_under_a_new_key_is_a_repeat(client, other_side):
    post(client, sealed(REQUEST))
    other_side.key_text = str(OTHER_KEY.public_key)
    assert post(client, sealed(REQUEST, key=OTHER_KEY)).status_code == 200
