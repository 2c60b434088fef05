"""Every OCPI endpoint against objects that the specification allows, and ones it does not.

What fails inside us is answered with HTTP 200 and status 3000, so that is what must never come.
"""

import json
from typing import Any

import pytest
import schemathesis
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aggregator.core.models import AuditEvent
from assets.models import OcpiConnection, OcpiSession, ProfileCommand
from assets.ocpi.wire import Status
from tests.conformance.ocpi.tables import json_schema
from tests.field_side import NOW
from tests.integration.ocpi.cpo_platform import evse, location, session

EXAMPLES = 25
REFERENCE = "0" * 32
ALLOWED, FORBIDDEN = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
PARTY = {"country_code": "NL", "party_id": "STA"}
NEWEST = {"last_updated": "2026-01-14T16:06:00Z"}
FIXED: dict[str, dict[str, Any]] = {
    "Session": {**PARTY, **NEWEST, "id": "S1", "location_id": "L1", "evse_uid": "E1"},
    "Location": {**PARTY, **NEWEST, "id": "L1"},
    "EVSE": {**NEWEST, "uid": "E1"},
    "Connector": {**NEWEST, "id": "1"},
    "Credentials": {"token": "b-token-of-the-platform", "url": "http://127.0.0.1:1/nobody/answers/here"},
}
"""What a fuzzer would not hit: what the address says already, and what makes it news. And nobody else is called."""


def described(method: str, path: str, table: str, *, is_patch: bool = False) -> tuple[str, str, dict[str, Any]]:
    schema = json_schema(table)
    if is_patch:
        schema["required"] = ["last_updated"]
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return path, method, {"requestBody": body, "responses": {"200": {"description": "an envelope"}}, "x-table": table}


SESSION, PLACE = "/2.2.1/sessions/NL/STA/S1", "/2.2.1/locations/NL/STA/L1"
OPERATIONS = [
    described("put", SESSION, "Session"),
    described("patch", SESSION, "Session", is_patch=True),
    described("put", PLACE, "Location"),
    described("patch", PLACE, "Location", is_patch=True),
    described("put", f"{PLACE}/E1", "EVSE"),
    described("patch", f"{PLACE}/E1", "EVSE", is_patch=True),
    described("put", f"{PLACE}/E1/1", "Connector"),
    described("patch", f"{PLACE}/E1/1", "Connector", is_patch=True),
    described("put", "/2.2.1/credentials", "Credentials"),
    described("put", "/2.2.1/chargingprofiles/S1", "ActiveChargingProfile"),
    described("post", f"/2.2.1/chargingprofiles/results/{REFERENCE}", "ActiveChargingProfileResult"),
]


def load(path, method, operation):
    document = {
        "openapi": "3.1.0",
        "info": {"title": "OCPI 2.2.1", "version": "2.2.1"},
        "paths": {path: {method: operation}},
    }
    return schemathesis.openapi.from_dict(document)[path][method]


@pytest.fixture
def asked(call, evse_e1):
    """A session whose station was asked what is in force."""
    call("PUT", SESSION, session())
    ProfileCommand.objects.create(
        session=OcpiSession.objects.get(),
        kind="get",
        status="sent",
        reference=REFERENCE,
        created_at=NOW,
        next_attempt_at=NOW,
        deadline_at=NOW,
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=[f"{method} {path}" for path, method, _ in OPERATIONS])
def test_no_object_breaks_an_endpoint(call, asked, operation):
    path, method, details = operation
    fixed = FIXED.get(details["x-table"], {})
    described_here = load(*operation)
    cases = st.one_of(described_here.as_strategy(generation_mode=mode) for mode in (ALLOWED, FORBIDDEN))

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def run(case):
        if isinstance(case.body, dict):
            case.body |= {name: value for name, value in fixed.items() if method == "put" or name in case.body}
        sent = case.as_transport_kwargs(base_url="http://testserver")
        body = json.dumps(sent["json"]) if "json" in sent else sent.get("data") or b""
        answer = call(method.upper(), path, body)
        document = answer.json()
        assert answer.status_code in {200, 201, 400, 404, 405}, document
        assert document["status_code"] != Status.SERVER_ERROR, (body, document)
        assert document.keys() <= {"data", "status_code", "status_message", "timestamp"}
        assert answer.status_code in {200, 201} or document["status_code"] // 1000 == 2

    run()


def test_no_credentials_register_by_halves(as_token, token_a, partner, platform):
    """The platform behind them is real, so good ones register; whatever is posted, it is all or nothing."""
    good = platform.own_credentials()
    described_here = load(*described("post", "/2.2.1/credentials", "Credentials"))
    cases = st.one_of(described_here.as_strategy(generation_mode=mode) for mode in (ALLOWED, FORBIDDEN))
    seen = set()

    def stored():
        found = OcpiConnection.objects.get(pk=partner.pk)
        purposes = list(found.tokens.values_list("purpose", flat=True))
        return bool(found.registered_at), bool(found.peer_token_sealed), found.parties.exists(), purposes

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases, own_token=st.booleans())
    @example(case=None, own_token=False)
    @example(case=None, own_token=True)
    def run(case, own_token):
        document = {**good, "token": "not-the-one-it-takes"} if case is None else case.body
        if isinstance(document, dict):
            # Nobody else is called. A token of its own is one that the platform does not take.
            document = document | {"url": good["url"]} | ({} if own_token else {"token": good["token"]})
        with transaction.atomic():
            answer = as_token(token_a)("POST", "/2.2.1/credentials", json.dumps(document, default=str))
            outcome = answer.json()["status_code"]
            assert answer.status_code == 200
            assert outcome == Status.SUCCESS or outcome // 1000 == 2 or outcome == Status.UNUSABLE_CLIENT_API, document
            is_in = outcome == Status.SUCCESS
            expected = (True, True, True, ["operation"]) if is_in else (False, False, False, ["registration"])
            assert stored() == expected, (document, answer.json())
            assert AuditEvent.objects.filter(action="assets.ocpi.registered").exists() == is_in
            seen.add(outcome)
            transaction.set_rollback(True)

    run()
    assert {Status.SUCCESS, Status.UNUSABLE_CLIENT_API} < seen


HOSTILE = {
    "NUL": b'"\\u0000"',
    "half a character": b'"\\ud800"',
    "beyond every number": b"1e999",
    "a number of 4000 digits": b"9" * 4_000,
    "nested without end": b"[" * 900 + b"]" * 900,
    "no number": b"NaN",
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_what_json_can_hold_and_no_database_is_refused_everywhere(call, asked, value):
    for path, method, details in OPERATIONS:
        body = json.dumps({**whole(details["x-table"]), "note": "@"}).encode().replace(b'"@"', value)
        answer = call(method.upper(), path, body)
        assert answer.status_code in {200, 201, 400}, (path, answer.content)
        assert answer.json()["status_code"] != Status.SERVER_ERROR, (path, answer.content)
    assert call("GET", f"{SESSION}%00").status_code == 404
    assert call("GET", f"{SESSION}%C3%A9").status_code == 404


def whole(table):
    newest = FIXED.get(table, {})
    profile = {"charging_rate_unit": "W", "charging_profile_period": [{"start_period": 0, "limit": 0}]}
    active = {"start_date_time": "2026-01-14T16:00:00Z", "charging_profile": profile}
    return {
        "Session": session(**newest),
        "Location": location(**newest),
        "EVSE": evse(**newest),
        "Connector": {**evse()["connectors"][0], **newest},
        "Credentials": newest,
        "ActiveChargingProfile": active,
        "ActiveChargingProfileResult": {"result": "ACCEPTED", "profile": active},
    }[table]
