from dataclasses import replace

import pytest
from django.db import connection

from aggregator.core.models import InboxMessage
from bidding.markets.uftp.codec import serialise
from bidding.markets.uftp.envelope import MAX_BODY_BYTES, seal
from bidding.markets.uftp.transport import MESSAGE_PATH
from bidding.markets.uftp.vocabulary import Role
from bidding.models import UftpParticipant, UftpPublicKey
from tests.conformance.uftp.samples import NOW, OFFER, ORDER, REQUEST
from tests.integration.uftp.operator_side import KEY, OTHER_KEY, post, sealed

pytestmark = pytest.mark.django_db


def test_a_message_is_stored_byte_for_byte_before_it_is_answered(client, operator):
    body = sealed(REQUEST)

    answer = post(client, body)

    assert (answer.status_code, answer.content) == (200, b"")
    stored = InboxMessage.objects.get()
    assert (stored.sender, stored.message_id) == (operator.domain, REQUEST.message_id)
    assert bytes(stored.body) == body
    assert stored.processed_at is None


def test_each_condition_has_its_status(client, operator):
    good = sealed(REQUEST)
    other = sealed(replace(REQUEST, message_id=ORDER.message_id))
    length = {"CONTENT_LENGTH": ""}
    cases = {
        "no length": (post(client, good, **length), 411),
        "json": (post(client, good, content_type="application/json"), 400),
        "latin-1": (post(client, good, content_type="text/xml; charset=latin-1"), 400),
        "application/xml": (post(client, other, content_type="application/xml"), 200),
        "no xml": (post(client, b"hello"), 400),
        "document type": (post(client, b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + good), 400),
        "empty": (post(client, b"", CONTENT_LENGTH="0"), 400),
        "too large": (post(client, b"<a>" + b"x" * MAX_BODY_BYTES + b"</a>"), 400),
        "endless length": (post(client, b"<a/>", CONTENT_LENGTH="9" * 4000), 413),
        "unknown domain": (post(client, sealed(REQUEST, domain="stranger.example")), 419),
        "known in another role": (post(client, sealed(OFFER, role=Role.AGR)), 200),
        "another role, another key": (post(client, sealed(OFFER, role=Role.AGR, key=OTHER_KEY)), 401),
        "another key": (post(client, sealed(REQUEST, key=OTHER_KEY)), 401),
        "GET": (client.get(MESSAGE_PATH), 405),
    }  # fmt: skip
    assert {name: answer.status_code for name, (answer, _) in cases.items()} == {
        name: status for name, (_, status) in cases.items()
    }


def test_a_signed_message_against_the_structure_is_refused_and_says_why(client, operator):
    spoiled = serialise(REQUEST).replace(b'Revision="1"', b'Revision="one"')
    answer = post(client, seal(spoiled, sender_domain=operator.domain, sender_role=Role.DSO, private_key=KEY))

    assert answer.status_code == 400
    assert "Revision" in answer.content.decode()
    assert not InboxMessage.objects.exists()


def test_a_repeat_is_received_again_and_stored_once(client, operator):
    body = sealed(REQUEST)
    assert [post(client, body).status_code for _ in range(3)] == [200, 200, 200]
    assert InboxMessage.objects.count() == 1


def test_the_same_id_with_other_content_is_refused_for_good(client, operator):
    post(client, sealed(REQUEST))

    answer = post(client, sealed(replace(REQUEST, revision=2)))

    assert answer.status_code == 400
    assert answer.content.startswith(b"Duplicate Identifier")
    assert bytes(InboxMessage.objects.get().body) == sealed(REQUEST)


def test_too_many_messages_in_a_minute_come_later(client, operator, settings, monkeypatch):
    settings.UFTP_REQUESTS_PER_MINUTE = 2
    monkeypatch.setattr("aggregator.core.rates.time.time", lambda: 1_000_000.0)
    body = sealed(REQUEST)
    assert [post(client, body).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("earlier", [[], [replace(REQUEST, message_id=ORDER.message_id)]], ids=["first", "later"])
def test_what_cannot_be_stored_is_to_come_again(client, operator, earlier):
    for message in earlier:
        post(client, sealed(message))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_inboxmessage ADD CONSTRAINT disk_full CHECK (false) NOT VALID")

    assert post(client, sealed(REQUEST)).status_code == 503


def test_a_known_sender_costs_one_statement(client, operator, django_assert_num_queries):
    post(client, sealed(REQUEST))
    with django_assert_num_queries(1):
        assert post(client, sealed(replace(REQUEST, message_id=ORDER.message_id))).status_code == 200
    assert InboxMessage.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda key: key.delete(), 419),
        (lambda key: UftpPublicKey.objects.filter(pk=key.pk).update(valid_until=NOW), 419),
        (lambda key: UftpPublicKey.objects.filter(pk=key.pk).update(text=str(OTHER_KEY.public_key)), 401),
        (lambda key: UftpParticipant.objects.filter(pk=key.participant_id).update(role=Role.AGR, source="dns",
                                                                                  fetched_at=NOW), 200),
        (lambda key: UftpParticipant.objects.filter(pk=key.participant_id).update(domain="other.example"), 419),
    ],
    ids=["deleted", "expired", "replaced", "known in another role", "of another domain"],
)  # fmt: skip
def test_a_key_that_was_good_a_message_ago_counts_only_if_it_is_valid_now(client, operator, change, status):
    assert post(client, sealed(REQUEST)).status_code == 200
    change(operator.public_keys.get())

    assert post(client, sealed(replace(REQUEST, message_id=ORDER.message_id))).status_code == status
    assert InboxMessage.objects.count() == (2 if status == 200 else 1)


def test_without_a_domain_there_is_nothing_here(client, settings):
    settings.UFTP_DOMAIN = ""
    answer = post(client, sealed(REQUEST))
    assert (answer.status_code, answer.content) == (404, b"Called contracts are not set up here.")
