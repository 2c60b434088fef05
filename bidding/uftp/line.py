"""How a sealed message travels: the protocol's meaning of statuses around the one HTTP client."""

import logging
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

from aggregator.core.http import HttpClient, RequestFailed, RequestRefused, Response
from aggregator.core.messaging.operations import Verdict
from aggregator.core.models import OutboxMessage
from bidding.markets.uftp.transport import Outcome, outcome_of_status
from bidding.uftp.tokens import TokenSource

logger = logging.getLogger(__name__)

MOST_REDIRECTS = 2  # as many as the reference library follows
TIMEOUT_SECONDS = 10.0  # the receiver only stores; a worker holds the row meanwhile


class Line:
    """Sends requests; what goes to the broker carries a token, renewed once when the broker refuses it."""

    def __init__(self, *, http: HttpClient, tokens: TokenSource | None, broker_url: str) -> None:
        self._http, self._tokens, self._broker_url = http, tokens, broker_url

    def request(self, *, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the last answer; raises `RequestFailed`.

        Also where our settings or an entered endpoint name an address that may not be called: people can mend that,
        and the message waits until then.
        """
        try:
            return self._request(method, url, headers, body)
        except RequestRefused as refusal:
            logger.warning("Messages to %s wait: %s", url, refusal)
            raise RequestFailed(str(refusal)) from refusal

    def _request(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        answer = self._once(method, url, headers, body)
        if outcome_of_status(answer.status_code, token_renewable=self._is_broker(url)) is Outcome.RENEW_TOKEN:
            self._tokens.forget()  # type: ignore[union-attr]  # there is one, or nothing could be renewed
            answer = self._once(method, url, headers, body)
        for _ in range(MOST_REDIRECTS):
            if outcome_of_status(answer.status_code) is not Outcome.FOLLOW_REDIRECT:
                break
            place = _header(answer, "location")
            redirected_by = url
            try:
                url = urljoin(redirected_by, place)
                answer = self._once(method, url, headers, body)
            except ValueError as error:  # it is no address, or one that we refuse: theirs to mend, so not the end
                raise RequestFailed(
                    f"{redirected_by} redirects to {place!r}, where nothing may be sent. Ask its owner to mend that. "
                    f"({error})"
                ) from error
        return answer

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        token = self._tokens.headers() if self._tokens and self._is_broker(url) else {}
        headers = {**headers, **token}
        return self._http.request(method=method, url=url, headers=headers, body=body, timeout_seconds=TIMEOUT_SECONDS)

    def _is_broker(self, url: str) -> bool:
        """Tell whether `url` is the broker's own origin: nobody else may see the token."""
        return self._tokens is not None and urlsplit(url)[:2] == urlsplit(self._broker_url)[:2]


def verdict_on(_message: OutboxMessage, answer: Response) -> Verdict:
    """Judge an answer by the protocol's table; what is refused as a duplicate has arrived."""
    outcome = outcome_of_status(answer.status_code, body=answer.body.decode("utf-8", "replace"))
    if outcome is Outcome.DELIVERED:
        return Verdict.DELIVERED
    return Verdict.HOPELESS if outcome is Outcome.GIVE_UP else Verdict.TRY_AGAIN


def _header(answer: Response, name: str) -> str:
    return next((value for key, value in answer.headers.items() if key.lower() == name), "")
