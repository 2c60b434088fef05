"""How a CIM document is laid out: parts in a fixed order, each read and checked, every fault found in one pass.

Pure. As strict as the official schemas in what it lets through: unknown or misplaced elements, attributes and stray
text are faults.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from mock_gopacs.tennet.findings import Finding, Reason, shown

_SCHEMA_HINTS = "{http://www.w3.org/2001/XMLSchema-instance}"
ANY_NUMBER = 1_000_000
THERE = object()
"""The value of an element of which it only matters that it is there."""


@dataclass(frozen=True, slots=True)
class Part:
    """A child element: how often it may come, and how it is read.

    `read` gets the element and a list to add findings to; it returns the value, or None where there is none.
    """

    name: str
    read: Callable[[etree._Element, list[Finding]], Any]
    least: int = 1
    most: int = 1


def read_parts(element: etree._Element, parts: Sequence[Part], found: list[Finding]) -> dict[str, list[Any]]:
    """Return the values of an element's children by name; children that were not understood give no value."""
    space = element.tag[: element.tag.index("}") + 1]
    found += _strays(element)
    values: dict[str, list[Any]] = {part.name: [] for part in parts}
    children = [child for child in element if isinstance(child.tag, str)]
    place = 0
    for part in parts:
        first = place
        while place < len(children) and children[place].tag == space + part.name:
            place += 1
        count = place - first
        if count < part.least:
            found.append(Finding(Reason.MISSING, f"{part.name} is missing: give it, in the order of the schema."))
        if count > part.most:
            found.append(Finding(Reason.UNREADABLE, f"{part.name} comes {count} times: give it once."))
        read = (part.read(child, found) for child in children[first:place])
        values[part.name] = [value for value in read if value is not None]
    if place < len(children):
        name = etree.QName(children[place]).localname
        text = f"{shown(name)} is not known here, or not in this place: follow the order of the schema."
        found.append(Finding(Reason.UNREADABLE, text))
    return values


def leaf(read: Callable[[str], Any], *, coded: bool = False) -> Callable[[etree._Element, list[Finding]], Any]:
    """Return a reader of an element that holds only text; a coded one names the scheme of its code, and gives both."""

    def read_leaf(element: etree._Element, found: list[Finding]) -> Any:
        name = etree.QName(element).localname
        scheme = element.get("codingScheme")
        if len(element) or set(element.attrib) != ({"codingScheme"} if coded else set()):
            wanted = "text and a codingScheme" if coded else "text alone"
            found.append(Finding(Reason.UNREADABLE, f"{name} must hold {wanted}."))
            return None
        try:
            value = read(element.text or "")
        except ValueError as error:
            found.append(Finding(Reason.UNREADABLE, f"{name} is {shown(element.text or '')}: give {error}."))
            return None
        return (value, scheme) if coded else value

    return read_leaf


def is_there(_element: etree._Element, _found: list[Finding]) -> object:
    """Read no more of an element than that it is there."""
    return THERE


def group(parts: Sequence[Part]) -> Callable[[etree._Element, list[Finding]], Any]:
    """Return a reader of an element that has parts of its own."""
    return lambda element, found: read_parts(element, parts, found)


def _strays(element: etree._Element) -> Iterator[Finding]:
    name = etree.QName(element).localname
    if any(not str(attribute).startswith(_SCHEMA_HINTS) for attribute in element.attrib):
        yield Finding(Reason.UNREADABLE, f"{name} has an attribute that the schema does not know: leave it out.")
    texts = [element.text, *(child.tail for child in element)]
    if any(text and text.strip() for text in texts):
        yield Finding(Reason.UNREADABLE, f"{name} has text between its elements: leave it out.")
