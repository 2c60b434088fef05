"""Reading XML from strangers: UTF-8 only, no document type, so no entities, and nothing is fetched."""

from lxml import etree


class InvalidXml(ValueError):
    """The bytes are not the plain UTF-8 XML that the protocol allows."""


# The forced encoding matters: a declared one such as UTF-7 could hide a document type from the check below.
_PARSER = etree.XMLParser(
    encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, collect_ids=False,
    remove_comments=True, remove_pis=True,
)  # fmt: skip


def parse_xml(document: bytes) -> etree._Element:
    """Return the root element of `document`; raise `InvalidXml` for anything but plain UTF-8 XML.

    A document type declaration is refused before parsing: entities in it could expand without bound or fetch files.
    """
    if b"<!DOCTYPE" in document:
        raise InvalidXml("The XML has a <!DOCTYPE …> declaration, which may hide entities. Send it without one.")
    if b"\0" in document:
        raise InvalidXml("The XML holds NUL bytes, so it is binary or UTF-16. Send UTF-8.")
    try:
        return etree.fromstring(document, _PARSER)
    except etree.XMLSyntaxError as error:
        raise InvalidXml(f"The XML cannot be parsed: {error.msg}. Send one well-formed UTF-8 document.") from None
    except ValueError as error:  # lxml's own refusals of unusual input
        raise InvalidXml(f"The XML cannot be parsed: {error}. Send one well-formed UTF-8 document.") from None
