"""What we write is valid under the official schemas, and so are the acknowledgements that our reader is tried with."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from bidding.markets.afrr.bid_document import bid_document_xml
from tests.shared_data import shared_path
from tests.unit.bidding.markets.afrr.reading import read_bid_document
from tests.unit.bidding.markets.afrr.samples import DOCUMENT, TERMS, acknowledgements, bid_documents


@cache
def schema_of(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(file=str(shared_path(f"standards/cim/{name}.xsd")))


VERSIONS = {
    "7.4": ("iec62325-451-7-reservebiddocument_v7_4", "Measurement_Unit"),
    "7.2": ("iec62325-451-7-reservebiddocument_v7_2", "Measure_Unit"),
}


@pytest.mark.parametrize("version", VERSIONS)
@settings(max_examples=50)
@given(document=bid_documents())
def test_a_generated_document_is_valid_and_comes_back(version, document):
    schema, unit = VERSIONS[version]
    body = bid_document_xml(document, terms=TERMS, version=version)
    schema_of(schema).assertValid(etree.fromstring(body))
    assert read_bid_document(body, unit=unit).document == document


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_tell_the_versions_apart(version):
    other = next(key for key in VERSIONS if key != version)
    body = bid_document_xml(DOCUMENT, terms=TERMS, version=other)
    renamed = body.replace(other.replace(".", ":").encode(), version.replace(".", ":").encode())
    assert not schema_of(VERSIONS[version][0]).validate(etree.fromstring(renamed))


@settings(max_examples=50)
@given(st.data())
def test_the_acknowledgements_that_we_read_are_valid(data):
    body, _ = data.draw(acknowledgements())
    schema_of("iec62325-451-1-acknowledgement_v8_1").assertValid(etree.fromstring(body))
