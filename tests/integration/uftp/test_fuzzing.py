"""No bytes at all, and no damage to a signed message, make the door fail."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aggregator.core.models import InboxMessage
from bidding.markets.uftp.envelope import MAX_BODY_BYTES, seal
from bidding.markets.uftp.vocabulary import Role
from bidding.uftp.tasks import process_messages
from tests.conformance.uftp.samples import DSO, SAMPLES
from tests.integration.uftp.damage import any_bytes, any_documents, bounded
from tests.integration.uftp.operator_side import KEY, post, sealed

pytestmark = pytest.mark.django_db


@bounded
@given(body=any_bytes)
def test_any_bytes_get_an_answer_of_the_protocol(client, operator, body):
    assert post(client, body).status_code in {200, 400, 401, 411, 419, 429}


headers = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)


@bounded
@given(
    content_type=st.sampled_from(["text/xml", "text/xml; charset=", "application/xml;"]).flatmap(
        lambda start: headers.map(start.__add__)
    )
    | headers,
    length=st.none() | headers | st.integers(-(2**70), 2**70).map(str),
)
def test_any_headers_get_an_answer_of_the_protocol(client, operator, content_type, length):
    body = sealed(SAMPLES[0])
    announced = int(length) if length and length.isascii() and length.isdigit() else 0
    assume(announced <= len(body) or announced > MAX_BODY_BYTES)  # a server would wait for the rest, the client cannot
    more = {} if length is None else {"CONTENT_LENGTH": length}
    answer = post(client, body, content_type=content_type, **more)
    assert answer.status_code in {200, 400, 411, 413, 429}


@bounded
@given(document=any_documents)
def test_anything_signed_gets_an_answer_and_can_be_processed(client, contract, document):
    answer = post(client, seal(document, sender_domain=DSO, sender_role=Role.DSO, private_key=KEY))
    assert answer.status_code in {200, 400, 429}
    process_messages()
    assert not InboxMessage.objects.exclude(error="").exists()
