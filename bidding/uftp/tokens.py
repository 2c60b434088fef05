"""The access token that the broker and the address book want: OAuth2 client credentials."""

import json
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from aggregator.core.clock import Clock
from aggregator.core.http import HttpClient, RequestFailed

RENEW_BEFORE = timedelta(seconds=30)
SHORTEST_LIFE = timedelta(seconds=1)
DEFAULT_LIFE_SECONDS = 60  # when the server does not say; RFC 6749 only recommends that it does


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    usable_until: datetime


class TokenSource:
    """Keeps one token until shortly before it expires; safe to share between threads."""

    def __init__(self, *, http: HttpClient, clock: Clock, url: str, client_id: str, client_secret: str) -> None:
        self._http, self._clock, self._url = http, clock, url
        self._form = urlencode(
            {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        ).encode()
        self._lock = threading.Lock()
        self._token: _Token | None = None

    def headers(self) -> dict[str, str]:
        """Return the header that carries the token; raise `RequestFailed` when none can be had."""
        with self._lock:
            if self._token is None or self._clock.now() >= self._token.usable_until:
                self._token = self._fetch()
            return {"Authorization": f"Bearer {self._token.text}"}

    def forget(self) -> None:
        """Drop the token, because somebody refused it."""
        with self._lock:
            self._token = None

    def _fetch(self) -> _Token:
        asked_at = self._clock.now()
        answer = self._http.request(
            method="POST",
            url=self._url,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=self._form,
        )
        if not answer.is_success:
            raise RequestFailed(
                f"The token endpoint answered {answer.status_code}. Check UFTP_TOKEN_URL, UFTP_CLIENT_ID and "
                "UFTP_CLIENT_SECRET."
            )
        try:
            document = json.loads(answer.body)
            life = timedelta(seconds=float(document.get("expires_in", DEFAULT_LIFE_SECONDS)))
            text = str(document["access_token"])
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            raise RequestFailed("The token endpoint's answer holds no access_token. Check UFTP_TOKEN_URL.") from None
        # A token that lives shorter than the margin is used for half its life.
        return _Token(text, asked_at + max(life - RENEW_BEFORE, life / 2, SHORTEST_LIFE))
