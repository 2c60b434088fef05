"""What the official schemas call valid we read, write back as valid, and read as the same message."""

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bidding.markets.uftp.codec import MESSAGE_TYPES, parse, serialise
from tests.conformance.uftp.from_schema import SchemaDocuments
from tests.shared_data import shared_path


@cache
def documents_of(version: str) -> SchemaDocuments:
    return SchemaDocuments(shared_path(f"standards/uftp/{version}"))


@pytest.mark.parametrize("version", ["3.0.0", "3.1.0"])
def test_schema_names_the_messages_we_know(version):
    assert documents_of(version).element_names() == sorted(MESSAGE_TYPES)


@pytest.mark.parametrize("version", ["3.0.0", "3.1.0"])
@pytest.mark.parametrize("element", sorted(MESSAGE_TYPES))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=12
)
@given(data=st.data())
def test_document_made_from_the_schema_is_read(official_schema, element, version, data):
    document = data.draw(documents_of(version).documents(element, version))
    official_schema(version).assertValid(etree.fromstring(document))
    message = parse(document)
    ours = serialise(message)
    official_schema(version).assertValid(etree.fromstring(ours))
    assert parse(ours) == message


def test_schema_hints_are_ignored():
    hinted = (
        b'<TestMessage xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="u.xsd" '
        b'Version="3.0.0" SenderDomain="a.nl" RecipientDomain="b.nl" TimeStamp="2026-07-01T00:00:00.123456789+02:00" '
        b'MessageID="11111111-1111-4111-8111-111111111111" ConversationID="11111111-1111-4111-8111-111111111111">\n'
        b"<!-- a comment --></TestMessage>"
    )
    assert parse(hinted).time_stamp.isoformat() == "2026-06-30T22:00:00.123456+00:00"
