"""What is wrong with a document, in the reason codes of its acknowledgement."""

from dataclasses import dataclass
from enum import StrEnum

LONGEST_TEXT = 512
_LONGEST_SHOWN = 40


class Reason(StrEnum):
    """The codes of the public list that this market uses, by what they stand for."""

    ACCEPTED = "A01"
    REJECTED = "A02"
    PERIOD = "A04"
    AREA = "A23"
    QUANTITY = "A42"
    SIGNED = "A46"
    POSITION = "A49"
    REVISION = "A50"
    DUPLICATE_DOCUMENT = "A51"
    NO_SERIES = "A52"
    RECEIVER = "A53"
    DUPLICATE_BID = "A55"
    GATE_CLOSED = "A57"
    MARKET_RULE = "A59"
    MISSING = "A69"
    SENDER = "A78"
    PROCESS = "A79"
    UNREADABLE = "A94"


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason for refusal, about a bid or, without one, about the document."""

    code: Reason
    text: str
    bid_mrid: str | None = None


def shown(value: object) -> str:
    """Return a value as it is quoted in a text: in quotes, and not too long."""
    text = str(value)
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")
