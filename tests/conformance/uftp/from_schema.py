"""Documents generated from the official schema itself, knowing nothing of our tables.

Only where our own limits are narrower on purpose (64-bit numbers, instants with an offset, days and durations that
exist) the values are narrowed too.
"""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from lxml import etree

_XS = "{http://www.w3.org/2001/XMLSchema}"
_text = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc"]), max_size=12)
_offsets = st.sampled_from(["Z", "+02:00", "-03:30"])
_days = st.dates(date(1970, 1, 1), date(9998, 12, 31)).map(str)
_GIVEN: dict[str, st.SearchStrategy[str]] = {
    "xs:string": _text,
    "xs:integer": st.integers(-(2**63), 2**63 - 1).map(str),
    "xs:long": st.integers(-(2**63), 2**63 - 1).map(str),
    "xs:positiveInteger": st.integers(1, 2**63 - 1).map(str) | st.sampled_from(["+1", "007", " 5 "]),
    "xs:boolean": st.sampled_from(["true", "false", "1", "0"]),
    "xs:decimal": st.sampled_from(["0", "-1.5", "+7", ".25", "3.", "0012.340", "99999999.000001"]),
    "xs:date": _days | st.tuples(_days, _offsets).map("".join),
    "xs:dateTime": st.tuples(_days, st.times().map(str), _offsets).map(
        lambda parts: f"{parts[0]}T{parts[1]}{parts[2]}"
    ),
    "xs:duration": st.sampled_from(["PT15M", "PT1H", "PT900S", "P1DT2H", "PT1H30M"]),
    # Constraints that a built-in type alone does not show.
    "CurrencyAmountType": st.sampled_from(["0", "12.5", "-3.0001", "1.50000", "+.5"]),
    # Values drawn from patterns are slow to make; these few reach the patterns' corners.
    "UUIDType": st.uuids().map(str) | st.just("ABCDEFAB-0000-9999-ffff-ABCDEFabcdef"),
    "SpecVersion": st.sampled_from(["3.0.0", "10.20.30"]),
    "InternetDomainType": st.sampled_from(["a.nl", "0-0.b-c-d.example", "agr.example.com"]),
    "TimeZoneNameType": st.sampled_from(["Europe/Amsterdam", "America/Argentina/Ushuaia", "Pacific/a_0"]),
    "EntityAddressType": st.sampled_from(
        [
            "ean.123456789012",
            "ean." + 34 * "9",
            "ea1.2013-11.com.example:a:b c",
            "ea1.0000-99." + 244 * "x" + ":" + 244 * "y",
        ]
    ),
    "ActivationFactorType": st.sampled_from(["0.01", "1", "1.00", ".5", "0.990"]),
}


class SchemaDocuments:
    """Strategies for the elements of one version of the schema."""

    def __init__(self, folder: Path) -> None:
        trees = [etree.parse(folder / f"UFTP-{part}.xsd") for part in ("common", "metering", "agr-dso")]
        roots = [tree.getroot() for tree in trees]
        self._types = {node.get("name"): node for root in roots for node in root if node.tag != f"{_XS}element"}
        self._elements = {
            node.get("name"): node.get("type") for root in roots for node in root.iterchildren(f"{_XS}element")
        }

    def element_names(self) -> list[str]:
        return sorted(self._elements.keys() - {"SignedMessage"})

    @cache  # noqa: B019 - one instance per version, kept for the session
    def documents(self, name: str, version: str) -> st.SearchStrategy[bytes]:
        return self._element(name, self._elements[name], version).map(etree.tostring)

    def _element(self, name: str, type_name: str, version: str) -> st.SearchStrategy[Any]:
        attributes: dict[str, st.SearchStrategy[str]] = {}
        optional: dict[str, st.SearchStrategy[str]] = {}
        children: list[st.SearchStrategy[Any]] = []
        for node in self._with_bases(type_name):
            for attribute in node.iterchildren(f"{_XS}attribute"):
                values = st.just(version) if attribute.get("name") == "Version" else self._value(attribute.get("type"))
                target = attributes if attribute.get("use") == "required" else optional
                target[attribute.get("name")] = values
            for child in node.iterfind(f"{_XS}sequence/{_XS}element"):
                inside = self._element(child.get("name"), child.get("type"), version)
                children.append(st.lists(inside, min_size=int(child.get("minOccurs", "1")), max_size=2))
        return st.builds(
            _build, st.just(name), st.fixed_dictionaries(attributes, optional=optional), st.tuples(*children)
        )

    def _with_bases(self, type_name: str) -> list[Any]:
        node = self._types[type_name]
        extension = node.find(f"{_XS}complexContent/{_XS}extension")
        return [node] if extension is None else [*self._with_bases(extension.get("base")), extension]

    @cache  # noqa: B019 - same
    def _value(self, type_name: str) -> st.SearchStrategy[str]:
        if type_name in _GIVEN:
            return _GIVEN[type_name]
        restriction = self._types[type_name].find(f"{_XS}restriction")
        if (pattern := restriction.find(f"{_XS}pattern")) is not None:
            return st.from_regex(pattern.get("value"), fullmatch=True)
        if choices := [choice.get("value") for choice in restriction.iterchildren(f"{_XS}enumeration")]:
            return st.sampled_from(choices)
        return self._value(restriction.get("base"))


def _build(name: str, attributes: dict[str, str], children: tuple[list[Any], ...]) -> Any:
    element = etree.Element(name, attributes)
    for group in children:
        element.extend(group)
    return element
