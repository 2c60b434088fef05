"""What we write is valid under the official schemas, and what those call invalid we refuse."""

from collections.abc import Iterator
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bidding.markets.safe_xml import InvalidXml
from bidding.markets.uftp.codec import MESSAGE_TYPES, parse, serialise
from bidding.markets.uftp.envelope import seal
from bidding.markets.uftp.keys import key_from_seed
from bidding.markets.uftp.problems import InvalidMessage
from bidding.markets.uftp.vocabulary import Role
from tests.conformance.uftp.samples import OFFER, SAMPLES, in_version
from tests.conformance.uftp.strategies import any_message, messages_of

VERSIONS = ("3.0.0", "3.1.0")
slow_fixture_ok = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=12
)
both_versions = pytest.mark.parametrize("version", VERSIONS)


def is_valid(schema: etree.XMLSchema, document: bytes) -> bool:
    return schema.validate(etree.fromstring(document))


def refuses(document: bytes) -> bool:
    try:
        parse(document)
    except (InvalidMessage, InvalidXml):
        return True
    return False


def test_samples_cover_every_message():
    assert {sample.element for sample in SAMPLES} == set(MESSAGE_TYPES)


@both_versions
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.element)
def test_sample_is_valid_and_comes_back(official_schema, sample, version):
    message = in_version(sample, version)
    document = serialise(message)
    official_schema(version).assertValid(etree.fromstring(document))
    assert parse(document) == message


@both_versions
@pytest.mark.parametrize("element", sorted(MESSAGE_TYPES))
@slow_fixture_ok
@given(data=st.data())
def test_generated_message_is_valid_and_comes_back(official_schema, element, version, data):
    message = data.draw(messages_of(MESSAGE_TYPES[element], version))
    document = serialise(message)
    official_schema(version).assertValid(etree.fromstring(document))
    assert parse(document) == message


@both_versions
def test_envelope_is_valid(official_schema, version):
    body = seal(
        serialise(OFFER), sender_domain="agr.example.com", sender_role=Role.AGR, private_key=key_from_seed(b"k" * 32)
    )
    official_schema(version).assertValid(etree.fromstring(body))


GARBAGE = (
    "", " ", "x", "-1", "0", "1.5", "+7", "1e3", "1_0", "\u0661", "0.001", "1.01", "2026-13-01", "2026-07-01T00:00:00",
    "PT", "P1", "true ", "TRUE", "EURO", "3.0", "Accepted ", "UTC", "ean.123", "Agr.Example.com", "====", "100.00001",
)  # fmt: skip


def mutants(document: bytes) -> Iterator[bytes]:
    """Yield the document with one thing changed, for every attribute and element; some stay valid."""
    root = etree.fromstring(document)
    elements = {root.getroottree().getpath(element): element for element in root.iter()}
    for element in elements.values():
        for name in element.keys():  # noqa: SIM118 - an element is no mapping
            right = element.get(name)
            for value in GARBAGE:
                element.set(name, value)
                yield etree.tostring(root)
            del element.attrib[name]
            yield etree.tostring(root)
            element.set(name, right)
        for change in (set_unknown, set_unsolicited, rename, add_text, drop_children, copy_to_end, turn_around, nest):
            changed = deepcopy(root)
            change(changed, changed.xpath(root.getroottree().getpath(element))[0])
            yield etree.tostring(changed)


def set_unknown(_root, element):
    element.set("Foo", "1")


def set_unsolicited(_root, element):
    element.set("Unsolicited", "true")


def rename(_root, element):
    element.tag = "Foo"


def add_text(_root, element):
    element.text = "x"


def drop_children(_root, element):
    del element[:]


def copy_to_end(root, element):
    root.append(deepcopy(element))


def turn_around(_root, element):
    element[:] = list(reversed(element))


def nest(_root, element):
    etree.SubElement(element, "ISP")


@both_versions
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.element)
def test_what_the_schema_calls_invalid_is_refused(official_schema, sample, version):
    schema = official_schema(version)
    invalid = [mutant for mutant in mutants(serialise(in_version(sample, version))) if not is_valid(schema, mutant)]
    assert len(invalid) > 50
    assert [mutant for mutant in invalid if not refuses(mutant)] == []


@both_versions
@slow_fixture_ok
@given(data=st.data())
def test_what_the_schema_calls_invalid_is_refused_in_generated_messages(official_schema, version, data):
    schema = official_schema(version)
    message = data.draw(any_message(version))
    for mutant in mutants(serialise(message)):
        assert is_valid(schema, mutant) or refuses(mutant)


def test_real_ean_of_a_meter_is_read_although_the_schema_allows_16_digits_only(official_schema):
    document = serialise(next(sample for sample in SAMPLES if sample.element == "Metering"))
    real = document.replace(b"E8716859000126365", b"E871685900012636543")
    assert not is_valid(official_schema("3.0.0"), real)
    assert parse(real).ean == "E871685900012636543"
