"""Runs inside the peer's own environment: a CPO made of the PyPI package extrawest-ocpi. Imports nothing of ours.

Arguments: its port, the registration token it hands out, the token it expects of us once we are registered. The
package itself is configured by environment variables: PROTOCOL, OCPI_HOST, COUNTRY_CODE, PARTY_ID.
One JSON request per line on stdin, one JSON answer per line on stdout; "ready" comes first.
"""

import json
import logging
import sys
import threading
from typing import Any

import httpx
import uvicorn
from py_ocpi.core.authentication.authenticator import Authenticator
from py_ocpi.core.config import settings
from py_ocpi.core.enums import ModuleID, RoleEnum
from py_ocpi.core.schemas import OCPIResponse
from py_ocpi.core.utils import encode_string_base64
from py_ocpi.main import get_application
from py_ocpi.modules.credentials.v_2_2_1.schemas import Credentials
from py_ocpi.modules.locations.v_2_2_1.schemas import Location
from py_ocpi.modules.sessions.v_2_2_1.schemas import Session
from py_ocpi.modules.versions.enums import VersionNumber
from py_ocpi.modules.versions.schemas import Version
from py_ocpi.modules.versions.v_2_2_1.schemas import VersionDetail

logging.disable(logging.CRITICAL)
PORT, TOKEN_A, TOKEN_C = sys.argv[1:]
VERSIONS_URL = f"http://{settings.OCPI_HOST}/ocpi/versions"
OBJECTS: dict[str, dict[str, Any]] = {"locations": {}, "sessions": {}}
TOKENS = {"a": {TOKEN_A}, "c": {TOKEN_C}}
HEARD: dict[str, Any] = {}


def own_credentials(token: str) -> dict[str, Any]:
    role = {"role": "CPO", "country_code": "NL", "party_id": "STA", "business_details": {"name": "Stadsladen"}}
    return Credentials(token=token, url=VERSIONS_URL, roles=[role]).dict()


class Tokens(Authenticator):
    """Who may come in."""

    @classmethod
    async def get_valid_token_c(cls) -> list[str]:
        return list(TOKENS["c"])

    @classmethod
    async def get_valid_token_a(cls) -> list[str]:
        return list(TOKENS["a"])


class Store:
    """Serves what it was given; a registration is answered with TOKEN_C and kept for the test to see."""

    @classmethod
    async def get(cls, module: ModuleID, _role: RoleEnum, name: str, *_: Any, **_more: Any) -> Any:
        return OBJECTS.get(module.value, {}).get(name)

    @classmethod
    async def list(
        cls, module: ModuleID, _role: RoleEnum, filters: dict[str, Any], *_: Any, **_more: Any
    ) -> tuple[list[Any], int, bool]:
        since = filters["date_from"].strftime("%Y-%m-%dT%H:%M:%SZ") if filters["date_from"] else ""
        rows = sorted(OBJECTS[module.value].values(), key=lambda row: row["last_updated"])
        rows = [row for row in rows if row["last_updated"] >= since]
        end = filters["offset"] + filters["limit"]
        return rows[filters["offset"] : end], len(rows), end >= len(rows)

    @classmethod
    async def create(cls, _module: ModuleID, _role: RoleEnum, data: dict[str, Any], *_: Any, **_more: Any) -> Any:
        HEARD.update(data)
        TOKENS["a"].clear()
        return own_credentials(TOKEN_C)


class Adapter:
    """Objects are kept as the package's own schemas read them: here they are read."""

    @classmethod
    def location_adapter(cls, data: Any, *_: Any) -> Location:
        return Location(**data)

    @classmethod
    def session_adapter(cls, data: Any, *_: Any) -> Session:
        return Session(**data)

    @classmethod
    def credentials_adapter(cls, data: Any, *_: Any) -> Credentials:
        return Credentials(**data)


class UsableLinks:
    """Mends the package's Link headers: https whatever it is served on, and Python 3.11's names of enumerations."""

    MENDS = ((b"https://", b"http://"), (b"VersionNumber.v_2_2_1", b"2.2.1"), (b"ModuleID.", b""))

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_mended(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [(name, self.mended(name, value)) for name, value in message["headers"]]
            await send(message)

        await self.app(scope, receive, send_mended)

    def mended(self, name: bytes, value: bytes) -> bytes:
        for wrong, right in self.MENDS if name == b"link" else ():
            value = value.replace(wrong, right)
        return value


def put(request: dict[str, Any]) -> dict[str, Any]:
    """Keep objects by id."""
    OBJECTS[request["module"]] |= {row["id"]: row for row in request["objects"]}
    return {}


def heard(_request: dict[str, Any]) -> dict[str, Any]:
    """Return what the last registration with us said."""
    return HEARD


def register(request: dict[str, Any]) -> dict[str, Any]:
    """Register with a platform as its schemas have it: versions, details, credentials; return what it answered."""

    def call(method: str, url: str, token: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Token {encode_string_base64(token)}"}
        answer = httpx.request(method, url, headers=headers, json=body, timeout=20)
        answer.raise_for_status()
        document = OCPIResponse(**answer.json())
        if document.status_code != 1000:
            raise RuntimeError(answer.text)
        return document.data

    versions = [Version(**row) for row in call("GET", request["versions_url"], request["token"])]
    ours = next(row for row in versions if row.version == VersionNumber.v_2_2_1)
    details = VersionDetail(**call("GET", ours.url, request["token"]))
    credentials_url = next(row.url for row in details.endpoints if row.identifier == "credentials")
    answer = Credentials(**call("POST", credentials_url, request["token"], own_credentials(TOKEN_C)))
    again = Credentials(**call("GET", credentials_url, answer.token))
    return {"details_url": ours.url, "credentials": answer.dict(), "again": again.dict()}


OPERATIONS = {operation.__name__: operation for operation in (put, heard, register)}

if __name__ == "__main__":
    app = get_application(
        version_numbers=[VersionNumber.v_2_2_1],
        roles=[RoleEnum.cpo],
        crud=Store,
        modules=[
            ModuleID.credentials_and_registration,
            ModuleID.locations,
            ModuleID.sessions,
            ModuleID.charging_profile,
        ],
        authenticator=Tokens,
        adapter=Adapter,
        http_push=True,
    )
    server = uvicorn.Server(uvicorn.Config(UsableLinks(app), port=int(PORT), log_level="critical"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        pass
    sys.stdout.write('"ready"\n')
    sys.stdout.flush()
    for line in sys.stdin:
        asked = json.loads(line)
        sys.stdout.write(json.dumps(OPERATIONS[asked.pop("operation")](asked), default=str) + "\n")
        sys.stdout.flush()
