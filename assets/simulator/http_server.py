"""The simulator's own door: callbacks from the aggregator, and what people and scripts ask of it."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

from assets.simulator.inbox import ConflictingBatch, Inbox
from assets.simulator.ocpi.door import Door
from assets.simulator.setpoints import InvalidBatch
from assets.simulator.signatures import is_genuine

logger = logging.getLogger(__name__)

LARGEST_BODY_BYTES = 32 * 1024 * 1024
_CALLBACKS = "/callbacks/"
_OCPI = "/ocpi/"

Page = Callable[[], tuple[HTTPStatus, dict[str, Any]]]


class SimulatorServer(ThreadingHTTPServer):
    """Bound to `address`; `secrets` maps partner keys to callback secrets, `pages` maps paths to answers.

    `doors` are the OCPI endpoints by partner key, under /ocpi/{partner key}/.
    """

    daemon_threads = True

    def __init__(
        self,
        *,
        address: tuple[str, int],
        inbox: Inbox,
        secrets: Mapping[str, str],
        pages: Mapping[str, Page],
        doors: Mapping[str, Door],
    ) -> None:
        super().__init__(address, _Handler)
        self.doors = doors
        self.inbox = inbox
        self.secrets = secrets
        self.pages = pages


class _Handler(BaseHTTPRequestHandler):
    server: SimulatorServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self) -> None:
        self._through_door()

    def do_DELETE(self) -> None:
        self._through_door()

    def do_GET(self) -> None:
        if self.path.startswith(_OCPI):
            self._through_door()
            return
        page = self.server.pages.get(self.path)
        if page is None:
            self._problem(HTTPStatus.NOT_FOUND, f"Nothing at {self.path}; there are {', '.join(self.server.pages)}.")
            return
        self._answer(*page())

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY_BYTES:
            self.close_connection = True
            self._problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {LARGEST_BODY_BYTES} bytes.")
            return
        body = self.rfile.read(length)
        partner = self.path.removeprefix(_CALLBACKS)
        secret = self.server.secrets.get(partner)
        if not self.path.startswith(_CALLBACKS) or secret is None:
            self._problem(HTTPStatus.NOT_FOUND, f"No partner at {self.path}.")
        elif not is_genuine(
            secret=secret,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            now_s=time.time(),
        ):
            self._problem(
                HTTPStatus.UNAUTHORIZED, "No signature of these headers and this body by the callback secret."
            )
        else:
            self._receive(partner, body)

    def _through_door(self) -> None:
        """Let the OCPI platform of the partner in the path answer."""
        length = min(int(self.headers.get("Content-Length") or 0), LARGEST_BODY_BYTES)
        body = self.rfile.read(length)
        key, _, target = self.path.removeprefix(_OCPI).partition("/")
        door = self.server.doors.get(key)
        if not self.path.startswith(_OCPI) or door is None:
            self._problem(HTTPStatus.NOT_FOUND, f"No platform at {self.path}.")
            return
        answer = door(self.command, f"/{target}", self.headers.get("Authorization", ""), body)
        self._answer(answer.status, answer.document, answer.headers)

    def _receive(self, partner: str, body: bytes) -> None:
        try:
            received = self.server.inbox.receive(partner, body)
        except InvalidBatch as error:
            self._problem(HTTPStatus.BAD_REQUEST, str(error))
        except ConflictingBatch as error:
            self._problem(HTTPStatus.CONFLICT, str(error))
        else:
            self._answer(HTTPStatus.OK, received.document())

    def _problem(self, status: HTTPStatus, detail: str) -> None:
        self._answer(status, {"title": status.phrase, "status": status, "detail": detail})

    def _answer(
        self, status: HTTPStatus, document: Mapping[str, Any], headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        logger.debug(format, *arguments)
