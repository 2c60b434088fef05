"""Speaking to TenneT over HTTP.

How its real interface for aFRR looks is not public. What we assume of it is here alone: plain HTTPS with a key, where a
document that TenneT has gets the same answer again, so one whose answer was lost can be sent again.
"""

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum, auto

from aggregator.core.http import RequestFailed, RequestRefused, Response, SendsRequests
from bidding.markets.afrr.acknowledgement import Acknowledgement, Verdict, read_acknowledgement
from bidding.markets.afrr.fields import UnreadableMessage
from bidding.markets.afrr.real_time import Measurement, Setpoint, measurement_body, read_setpoint
from bidding.markets.afrr.settlement import SettledDay, read_settlement

DOCUMENT_HEADERS = {"Content-Type": "application/xml"}
NOT_FOUND = 404
NOT_PROCESSED = frozenset({401, 403, NOT_FOUND, 423, 425, 429})
"""Statuses that say so: a wrong key or address is ours to mend, and is no fault of what was sent."""
LONGEST_REASON = 500


class TennetUnavailable(RequestFailed):
    """TenneT gave no usable answer to a question; asking again later may help."""


class NotSettledYet(TennetUnavailable):
    """TenneT says itself that it has no settlement of that day."""


class Outcome(Enum):
    """What became of something that we sent."""

    DONE = auto()
    """Taken."""
    DONE_IN_PART = auto()
    """The acknowledgement names the bids that were not taken."""
    REFUSED = auto()
    """Refused for good; the same again would be refused again."""
    WAIT = auto()
    """Not processed; the same may succeed later."""
    UNKNOWN = auto()
    """Nobody can tell whether it was processed."""


_OUTCOME_OF = {
    Verdict.ACCEPTED: Outcome.DONE,
    Verdict.IN_PART: Outcome.DONE_IN_PART,
    Verdict.REJECTED: Outcome.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of something that we sent, and why; of a document the acknowledgement, where one came."""

    outcome: Outcome
    why: str
    acknowledgement: Acknowledgement | None = None
    answer: Response | None = None

    def asks_to_wait(self, now: datetime) -> timedelta:
        """Return how long TenneT wants to be left alone; zero: not at all."""
        return self.answer.asks_to_wait(now) if self.answer else timedelta(0)


@dataclass(frozen=True, slots=True)
class TennetClient:
    """TenneT's side of aFRR: where it is, and our key there."""

    http: SendsRequests
    base_url: str
    api_key: str = field(repr=False)

    @property
    def documents_url(self) -> str:
        """Where a document of bids is posted, with `DOCUMENT_HEADERS` and our credentials."""
        return f"{self.base_url}/tennet/documents"

    def credentials(self) -> dict[str, str]:
        """Return the headers that say who we are; they are added as a request is sent, and never stored."""
        return {"X-API-Key": self.api_key}

    def meaning_of_document(self, answer: Response, *, mrid: str) -> Sent:
        """Return what became of the document of bids that carries `mrid`, by the answer to it; never raises."""
        outcome = _outcome_of(answer)
        if outcome is not Outcome.DONE:
            return Sent(outcome, _said(answer), answer=answer)
        try:
            acknowledgement = read_acknowledgement(answer.body, about=mrid)
        except UnreadableMessage as error:
            return Sent(Outcome.UNKNOWN, str(error), answer=answer)
        return Sent(_OUTCOME_OF[acknowledgement.verdict], _reasons_of(acknowledgement), acknowledgement, answer)

    def send_measurement(self, measurement: Measurement) -> Sent:
        """Send a measurement, and return what became of it; never raises."""
        body, headers = measurement_body(measurement), {"Content-Type": "application/json"}
        try:
            answer = self._request("POST", "/tennet/measurements", body, headers)
        except RequestRefused as refused:  # nothing was sent; the address is a setting of ours, which people can mend
            return Sent(Outcome.WAIT, str(refused))
        except RequestFailed as failure:
            return Sent(Outcome.UNKNOWN, str(failure), answer=failure.answer)
        return Sent(_outcome_of(answer), _said(answer), answer=answer)

    def fetch_setpoint(self) -> Setpoint:
        """Return the setpoint of this cycle, not judged yet; raise `TennetUnavailable`."""
        answer = self._get("/tennet/setpoint")
        try:
            return read_setpoint(answer.body)
        except UnreadableMessage as error:
            raise TennetUnavailable(str(error), answer) from error

    def fetch_settlement(self, day: date) -> SettledDay:
        """Return the settlement of a Dutch day; raise `NotSettledYet`, or `TennetUnavailable`."""
        answer = self._get(f"/tennet/settlements/{day.isoformat()}")
        try:
            return read_settlement(answer.body, day=day)
        except UnreadableMessage as error:
            raise TennetUnavailable(str(error), answer) from error

    def _get(self, path: str) -> Response:
        try:
            answer = self._request("GET", path, b"", {})
        except (RequestRefused, RequestFailed) as failure:
            raise TennetUnavailable(str(failure), getattr(failure, "answer", None)) from failure
        if answer.is_success:
            return answer
        kind = NotSettledYet if answer.status_code == NOT_FOUND and _errors_in(answer) else TennetUnavailable
        raise kind(_said(answer), answer)

    def _request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Response:
        return self.http.request(
            method=method, url=f"{self.base_url}{path}", headers={**self.credentials(), **headers}, body=body
        )


def _outcome_of(answer: Response) -> Outcome:
    if answer.is_success:
        return Outcome.DONE
    if answer.status_code in NOT_PROCESSED:
        return Outcome.WAIT
    is_their_word = 400 <= answer.status_code < 500 and not answer.can_be_retried  # noqa: PLR2004 - the HTTP class
    return Outcome.REFUSED if is_their_word else Outcome.UNKNOWN


def _said(answer: Response) -> str:
    return f"TenneT answered HTTP {answer.status_code}. {_errors_in(answer)}".rstrip()


def _errors_in(answer: Response) -> str:
    """Return TenneT's own words for what is wrong; empty where a server in front of it may have answered."""
    try:
        errors = [f"{error['code']}: {error['message']}" for error in json.loads(answer.body)["errors"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    text = " ".join(errors)[:LONGEST_REASON]
    return text if text.isprintable() else ascii(text)


def _reasons_of(acknowledgement: Acknowledgement) -> str:
    said = [
        " ".join(filter(None, [f"{reason.code} {reason.text}".strip(), reason.bid_mrid and f"(bid {reason.bid_mrid})"]))
        for reason in acknowledgement.reasons
    ]
    verdict = acknowledgement.verdict.name.lower().replace("_", " ")
    return f"TenneT answers: {'; '.join([verdict, *said])}".rstrip(".")[:LONGEST_REASON] + "."
