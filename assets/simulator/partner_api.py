"""One partner's calls to the aggregator: token, retries, and what to do with a refusal.

Every call of the contract is idempotent, so a call without a usable answer is simply made again.
"""

import base64
import gzip
import json
import logging
import threading
import time
from typing import Any

from aggregator.core.http import HttpClient, RequestFailed, Response
from assets.simulator.config import Credentials

logger = logging.getLogger(__name__)

SCOPES = "assets sessions meter-values setpoints"
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
_UNAUTHORIZED = 401
_FRESH_FOR_SECONDS = 30
_LOGGED_CHARACTERS = 500


class Stopped(Exception):
    """The simulator is shutting down; the call was given up."""


class PartnerApi:
    """Speaks for one partner; used by one thread at a time."""

    def __init__(
        self, *, http: HttpClient, api_url: str, token_url: str, credentials: Credentials, stop: threading.Event
    ) -> None:
        self._http = http
        self._api_url = api_url
        self._token_url = token_url
        self._credentials = credentials
        self._stop = stop
        self._token = ""
        self._token_until = 0.0
        self.refused = 0
        """Calls that the aggregator answered with a client error: never made again."""

    def send(self, method: str, path: str, document: dict[str, Any]) -> None:
        """Send a JSON document until it is answered; raise `Stopped` when shutting down."""
        body = json.dumps(document, separators=(",", ":")).encode()
        self._send(method, path, {"Content-Type": "application/json"}, body)

    def send_csv(self, path: str, lines: list[str]) -> None:
        """Post gzipped CSV lines until they are answered; raise `Stopped` when shutting down."""
        headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
        self._send("POST", path, headers, gzip.compress("\n".join(lines).encode(), compresslevel=1))

    def _send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        url = f"{self._api_url}{path}"
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                response = self._http.request(
                    method=method,
                    url=url,
                    headers={**headers, "Authorization": f"Bearer {self._access_token()}"},
                    body=body,
                )
            except RequestFailed as error:
                logger.warning("%s %s failed, trying again: %s", method, path, error)
            else:
                if response.is_success:
                    return
                if response.status_code == _UNAUTHORIZED:
                    self._token = ""
                elif not response.can_be_retried:
                    self._refuse(method, path, response)
                    return
                logger.warning("%s %s answered %s, trying again", method, path, response.status_code)
            pause = self._rest(pause)

    def _access_token(self) -> str:
        if not self._token or time.monotonic() > self._token_until:
            pair = f"{self._credentials.client_id}:{self._credentials.client_secret}"
            response = self._http.request(
                method="POST",
                url=self._token_url,
                headers={
                    "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
                body=f"grant_type=client_credentials&scope={SCOPES.replace(' ', '+')}".encode(),
            )
            if not response.is_success:
                raise RequestFailed(f"No token from {self._token_url}: {response.status_code} {_shown(response)}")
            answer = json.loads(response.body)
            self._token = str(answer["access_token"])
            self._token_until = time.monotonic() + float(answer.get("expires_in", 3600)) - _FRESH_FOR_SECONDS
        return self._token

    def _refuse(self, method: str, path: str, response: Response) -> None:
        self.refused += 1
        logger.error("%s %s was refused with %s: %s", method, path, response.status_code, _shown(response))

    def _rest(self, pause: float) -> float:
        if self._stop.wait(pause):
            raise Stopped
        return min(pause * 2, LONGEST_PAUSE_SECONDS)


def _shown(response: Response) -> str:
    return response.body[:_LOGGED_CHARACTERS].decode("utf-8", "replace")
