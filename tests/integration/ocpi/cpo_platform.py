"""A CPO's OCPI platform, as small as it can be: it keeps what it is sent and answers as it is told."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

TOKEN_B = "b-token-of-the-platform"


@dataclass
class Received:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


def enveloped(data: Any, status: int = 1000) -> dict[str, Any]:
    return {"data": data, "status_code": status, "timestamp": "2026-01-14T16:07:00Z"}


@dataclass
class Platform:
    """`sessions` and `locations` are served by the page; `answer_profile` decides about charging profiles."""

    token: str = TOKEN_B
    page_size: int = 2
    sessions: list[dict[str, Any]] = field(default_factory=list)
    locations: list[dict[str, Any]] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    answer_profile: Callable[[Received], tuple[int, Any]] = lambda _request: (
        200,
        enveloped({"result": "ACCEPTED", "timeout": 30}),
    )
    versions: list[dict[str, str]] | None = None
    credentials: dict[str, Any] | None = None
    takes_raw_token: bool = False
    sorted_by: str = "last_updated"
    heeds_date_to: bool = True
    breaks_off: str = ""
    """The module whose list breaks off before its end."""

    def __enter__(self) -> Self:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                request = Received(self.command, parts.path, query, dict(self.headers), body)
                platform.received.append(request)
                status, document, headers = platform._answer(request)
                content = json.dumps(document).encode()
                if platform.breaks_off and request.path.endswith(platform.breaks_off):
                    content = content[:-20]
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the names http.server looks for

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def versions_url(self) -> str:
        return f"{self.url}/ocpi/versions"

    def own_credentials(self, **changes: Any) -> dict[str, Any]:
        role = {
            "role": "CPO",
            "country_code": "NL",
            "party_id": "STA",
            "business_details": {"name": "Stadsladen"},
        }
        return {"token": self.token, "url": self.versions_url, "roles": [role], **changes}

    def profiles(self) -> list[Received]:
        """What was asked about charging profiles."""
        return [request for request in self.received if request.path.startswith("/ocpi/2.2.1/chargingprofiles/")]

    def _answer(self, request: Received) -> tuple[int, Any, dict[str, str]]:  # noqa: PLR0911 - one line per address
        expected = self.token if self.takes_raw_token else base64.b64encode(self.token.encode()).decode()
        if request.headers.get("Authorization") != f"Token {expected}":
            return 401, enveloped(None, 2000), {}
        base = f"{self.url}/ocpi/2.2.1"
        match request.path.removeprefix("/ocpi/"):
            case "versions":
                return 200, enveloped(self.versions or [{"version": "2.2.1", "url": base}]), {}
            case "2.2.1":
                modules = [("sessions", "SENDER"), ("locations", "SENDER"), ("chargingprofiles", "RECEIVER")]
                modules.append(("credentials", "RECEIVER"))
                rows = [{"identifier": name, "role": role, "url": f"{base}/{name}"} for name, role in modules]
                return 200, enveloped({"version": "2.2.1", "endpoints": rows}), {}
            case "2.2.1/credentials":
                return 200, enveloped(self.credentials), {}
            case "2.2.1/sessions":
                return self._page(request, self.sessions)
            case "2.2.1/locations":
                return self._page(request, self.locations)
        return *self.answer_profile(request), {}

    def _page(self, request: Received, rows: list[dict[str, Any]]) -> tuple[int, Any, dict[str, str]]:
        since, until = request.query.get("date_from", ""), request.query.get("date_to", "9999")
        before = until if self.heeds_date_to else "9999"
        asked = (row for row in rows if since <= row["last_updated"] < before)
        wanted = sorted(asked, key=lambda row: row[self.sorted_by])
        offset = int(request.query.get("offset", 0))
        page = wanted[offset : offset + self.page_size]
        headers = {"X-Total-Count": str(len(wanted)), "X-Limit": str(self.page_size)}
        following = offset + self.page_size
        # Peers differ: some leave the header out on the last page, some send it empty.
        headers["Link"] = (
            f'<{self.url}{request.path}?date_from={since}&date_to={until}&offset={following}>; rel="next"'
            if following < len(wanted)
            else ""
        )
        return 200, enveloped(page), headers


def session(session_id: str = "S1", **changes: Any) -> dict[str, Any]:
    """Return an active Session at EVSE `E1`."""
    return {
        "country_code": "NL",
        "party_id": "STA",
        "id": session_id,
        "start_date_time": "2026-01-14T16:00:00Z",
        "kwh": 1.25,
        "cdr_token": {
            "country_code": "NL",
            "party_id": "MSP",
            "uid": "04AABBCCDD",
            "type": "RFID",
            "contract_id": "NL-MSP-C12345678-X",
        },
        "auth_method": "WHITELIST",
        "location_id": "L1",
        "evse_uid": "E1",
        "connector_id": "1",
        "currency": "EUR",
        "status": "ACTIVE",
        "last_updated": "2026-01-14T16:05:00Z",
        **changes,
    }


def evse(uid: str = "E1", **changes: Any) -> dict[str, Any]:
    """Return an 11 kW EVSE that takes charging profiles."""
    connector = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 16,
        "last_updated": "2026-01-14T12:00:00Z",
    }
    return {
        "uid": uid,
        "status": "CHARGING",
        "capabilities": ["RFID_READER", "CHARGING_PROFILE_CAPABLE"],
        "connectors": [connector],
        "last_updated": "2026-01-14T12:00:00Z",
        **changes,
    }


def location(*evses: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a Location with EVSEs."""
    return {
        "country_code": "NL",
        "party_id": "STA",
        "id": "L1",
        "publish": True,
        "address": "Neude 1",
        "city": "Utrecht",
        "country": "NLD",
        "coordinates": {"latitude": "52.0930", "longitude": "5.1180"},
        "time_zone": "Europe/Amsterdam",
        "evses": list(evses) or [evse()],
        "last_updated": "2026-01-14T12:00:00Z",
        **changes,
    }
