"""Messages to XML and back; the two functions the rest of the product calls."""

from bidding.markets.safe_xml import parse_xml
from bidding.markets.uftp import messages, settlement_messages
from bidding.markets.uftp.messages import PayloadMessage
from bidding.markets.uftp.problems import InvalidMessage, Problem, shown
from bidding.markets.uftp.reader import read_element
from bidding.markets.uftp.tables import rules_of, table_of
from bidding.markets.uftp.writer import write_element

MESSAGE_TYPES: dict[str, type[PayloadMessage]] = {
    message.element: message
    for module in (messages, settlement_messages)
    for message in vars(module).values()
    if isinstance(message, type) and issubclass(message, PayloadMessage) and hasattr(message, "element")
}


def parse(document: bytes) -> PayloadMessage:
    """Return the message in `document`.

    The message's own Version decides which attributes it may have. Whether that version was agreed with the sender is
    a semantic question, answered with a rejection and not with a transport error.

    Raises:
        safe_xml.InvalidXml: not plain UTF-8 XML.
        problems.InvalidMessage: not one of our messages, or against its structure.
    """
    root = parse_xml(document)
    message_type = MESSAGE_TYPES.get(root.tag)
    if message_type is None:
        raise InvalidMessage([Problem(shown(root.tag), "is no message", f"send one of {', '.join(MESSAGE_TYPES)}")])
    message: PayloadMessage = read_element(table_of(message_type, rules_of(root.get("Version", ""))), root)
    return message


def serialise(message: PayloadMessage) -> bytes:
    """Return the XML of `message` under the rules of the version it names.

    Raises:
        problems.InvalidMessage: a value that may not be sent, or an attribute that the version does not have.
    """
    return write_element(table_of(type(message), rules_of(message.version)), message, message.element)
