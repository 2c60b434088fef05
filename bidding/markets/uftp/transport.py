"""What HTTP says about a message: which status answers which condition, and what a status means to the sender.

One table for both ends. Source: the specification's "Message transport mechanism", plus the visible behaviour of the
reference library where it differs (2xx, 307/308, "Duplicate message").
"""

from dataclasses import dataclass
from email.message import Message
from enum import Enum, auto
from functools import lru_cache

from bidding.markets.safe_xml import InvalidXml
from bidding.markets.uftp.envelope import BodyTooLarge, SignatureRefused
from bidding.markets.uftp.problems import InvalidMessage

CONTENT_TYPE = "text/xml; charset=utf-8"
MESSAGE_PATH = "/shapeshifter/api/v3/message"
_ACCEPTED_TYPES = ("text/xml", "application/xml")
_DUPLICATE = "duplicate message"


class Failure(Enum):
    """Whether sending the same bytes again can help."""

    TEMPORARY = auto()
    PERMANENT = auto()


class Condition(Enum):
    """What became of a request at the receiving end."""

    RECEIVED = auto()
    NO_CONTENT_LENGTH = auto()
    WRONG_CONTENT_TYPE = auto()
    BODY_TOO_LARGE = auto()
    NOT_VALID = auto()
    SENDER_KEY_UNKNOWN = auto()
    SIGNATURE_WRONG = auto()
    TOO_MANY_REQUESTS = auto()
    NOT_STORED = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and how the sender is to take it; `failure` is None when the message was received."""

    status: int
    failure: Failure | None


ANSWERS: dict[Condition, Answer] = {
    Condition.RECEIVED: Answer(200, None),
    Condition.NO_CONTENT_LENGTH: Answer(411, Failure.PERMANENT),
    Condition.WRONG_CONTENT_TYPE: Answer(400, Failure.PERMANENT),
    Condition.BODY_TOO_LARGE: Answer(400, Failure.PERMANENT),
    Condition.NOT_VALID: Answer(400, Failure.PERMANENT),
    Condition.SENDER_KEY_UNKNOWN: Answer(419, Failure.TEMPORARY),
    Condition.SIGNATURE_WRONG: Answer(401, Failure.PERMANENT),
    Condition.TOO_MANY_REQUESTS: Answer(429, Failure.TEMPORARY),
    Condition.NOT_STORED: Answer(503, Failure.TEMPORARY),
}


class Outcome(Enum):
    """What the sender does next."""

    DELIVERED = auto()
    RETRY_LATER = auto()
    RENEW_TOKEN = auto()
    FOLLOW_REDIRECT = auto()
    GIVE_UP = auto()


def condition_of_headers(*, content_type: str | None, content_length: str | None) -> Condition | None:
    """Return what is wrong with a request's headers, or None when its body may be read."""
    if not content_length or not content_length.isascii() or not content_length.isdigit():
        return Condition.NO_CONTENT_LENGTH
    return None if _is_accepted_type(content_type or "") else Condition.WRONG_CONTENT_TYPE


@lru_cache(maxsize=64)
def _is_accepted_type(content_type: str) -> bool:
    header = Message()
    header["Content-Type"] = content_type
    charset = str(header.get_content_charset("utf-8"))
    return header.get_content_type() in _ACCEPTED_TYPES and charset.replace("-", "") == "utf8"


def condition_of_error(error: BodyTooLarge | InvalidXml | InvalidMessage | SignatureRefused) -> Condition:
    """Return the condition behind an exception of `read_envelope`, `open_envelope` or `parse`."""
    if isinstance(error, SignatureRefused):
        return Condition.SIGNATURE_WRONG
    if isinstance(error, BodyTooLarge):
        return Condition.BODY_TOO_LARGE
    return Condition.NOT_VALID


def outcome_of_status(status: int | None, *, body: str = "", token_renewable: bool = False) -> Outcome:
    """Return what a sender does after an attempt.

    A duplicate has arrived, also at what seems to be the first attempt: a sender that dies leaves no trace of having
    sent, and a MessageID never stands for other content.

    Args:
        status: the HTTP status, or None when there was no answer (timeout, reset, no connection).
        body: of the answer.
        token_renewable: the request carried an access token that was not renewed for this attempt, so a 401 may be
            about the token and not about the signature.
    """
    if status is None:
        return Outcome.RETRY_LATER
    if status in range(200, 300):
        return Outcome.DELIVERED
    if status in {307, 308}:
        return Outcome.FOLLOW_REDIRECT
    if status == 401 and token_renewable:  # noqa: PLR2004 - statuses are known by their numbers
        return Outcome.RENEW_TOKEN
    if status == 400 and body.strip().lower() == _DUPLICATE:  # noqa: PLR2004 - statuses are known by their numbers
        return Outcome.DELIVERED
    # 404 often means that a front server lost its back end; 403 and 405 will say the same again tomorrow.
    permanent = status in range(400, 500) and status not in {404, 408, 419, 425, 429}
    return Outcome.GIVE_UP if permanent else Outcome.RETRY_LATER
