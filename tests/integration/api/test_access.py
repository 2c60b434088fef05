"""Who may do what: every endpoint against no token, a token without the scope, the right partner and another one."""

import base64
import json
from datetime import timedelta

import pytest
from django.test import Client

from assets import operations
from assets.control.operations import PlannedSetpoint, send_setpoints
from assets.models import (
    AssetState,
    ChargingSession,
    CommunicationTest,
    MeterInterval,
    MinuteReading,
    Partner,
    Setpoint,
)
from tests.field_side import (
    ALL_SCOPES,
    GROUP_EAN,
    NOW,
    at,
    charger,
    enrol,
    make_area,
    make_assets,
    make_group,
    make_partner,
    token_for,
)

_SESSION = {
    "asset": "a",
    "external_id": "s",
    "plug_in_at": "2026-01-14T08:00:00Z",
    "energy_wh": 1,
    "max_import_w": 7_400,
}
_VALUE = {"asset": "a", "starts_at": "2026-01-14T08:00:00Z", "import_wh": 1}
_EVENING = "from=2026-01-14T16:00:00Z&to=2026-01-14T18:00:00Z"
_TEST = {"asset": "b", "power_w": 1_380}
_READING = {"asset": "a", "starts_at": "2026-01-14T16:00:00Z", "power_w": 1}
_STATE = {"asset": "a", "at": "2026-01-14T16:00:00Z", "power_w": 1}

# method, path, body, scope, status for a partner that does not own what is named
ENDPOINTS = [
    pytest.param("PUT", "/assets", {"assets": [charger("a")]}, "assets", 200, id="put-assets"),
    pytest.param("GET", "/assets", None, "assets", 200, id="list-assets"),
    pytest.param("GET", "/assets/a", None, "assets", 404, id="get-asset"),
    pytest.param("POST", "/states", {"states": [_STATE]}, "assets", 400, id="post-states"),
    pytest.param("POST", "/sessions", {"sessions": [_SESSION]}, "sessions", 400, id="post-sessions"),
    pytest.param("POST", "/meter-values", {"values": [_VALUE]}, "meter-values", 400, id="post-meter-values"),
    pytest.param("POST", "/readings", {"readings": [_READING]}, "meter-values", 400, id="post-readings"),
    pytest.param("GET", "/setpoints", None, "setpoints", 200, id="list-setpoints"),
    pytest.param("GET", "/setpoints/own", None, "setpoints", 404, id="get-setpoint"),
    pytest.param("GET", f"/setpoints/plan?asset=a&{_EVENING}", None, "setpoints", 404, id="plan-of-asset"),
    pytest.param(
        "GET", f"/setpoints/plan?aggregation_ean={GROUP_EAN}&{_EVENING}", None, "setpoints", 404, id="plan-of-group"
    ),
    pytest.param("GET", "/groups", None, "assets", 200, id="list-groups"),
    pytest.param("GET", f"/groups/{GROUP_EAN}", None, "assets", 404, id="get-group"),
    pytest.param("GET", f"/groups/{GROUP_EAN}/energy?{_EVENING}", None, "meter-values", 404, id="get-energy"),
    pytest.param("POST", "/communication-tests", {"tests": [_TEST]}, "setpoints", 400, id="post-tests"),
    pytest.param("GET", "/communication-tests/own", None, "setpoints", 404, id="get-test"),
    pytest.param("POST", "/setpoints/results", {"results": "own"}, "setpoints", 400, id="post-results"),
]


@pytest.fixture
def setpoint(partner) -> Setpoint:
    """One setpoint of the partner, for its asset `a`."""
    assets = make_assets(partner, [charger("a"), charger("b")])
    enrol(make_group(make_area()), assets)
    AssetState.objects.create(asset=assets[1], at=at("16:00"), power_w=11_000)
    plan = [PlannedSetpoint(asset_id=assets[0].pk, starts_at=at("17:00"), ends_at=at("17:15"), power_w=[0])]
    [batch] = send_setpoints(
        now=NOW,
        aggregation_ean=GROUP_EAN,
        order_reference="order-1",
        reason="",
        revision=1,
        plan=plan,
        deadline_at=at("17:15"),
    )
    told = batch.setpoints.get()
    CommunicationTest.objects.create(setpoint=told)
    return told


def _request(client: Client, method, path, body, setpoint, token=None):
    if body == {"results": "own"}:
        body = {"results": [{"setpoint_id": setpoint.pk, "status": "accepted", "at": "2026-01-14T16:00:00Z"}]}
    ids = {"/setpoints/own": setpoint.pk, "/communication-tests/own": setpoint.communication_test.pk}
    if path in ids:
        path = path.replace("own", str(ids[path]))
    return client.generic(
        method,
        f"/api/v1{path}",
        "" if body is None else json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )


def _nothing_changed(setpoint: Setpoint) -> bool:
    setpoint.refresh_from_db()
    reports = (ChargingSession, MeterInterval, MinuteReading)
    counted = (AssetState.objects.count(), CommunicationTest.objects.count(), Setpoint.objects.count())
    return (
        setpoint.status == "pending" and counted == (1, 1, 1) and not any(model.objects.exists() for model in reports)
    )


@pytest.mark.parametrize(("method", "path", "body", "scope", "_foreign"), ENDPOINTS)
def test_without_a_token_nobody_comes_in(client, setpoint, method, path, body, scope, _foreign):
    answer = _request(client, method, path, body, setpoint)

    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert _nothing_changed(setpoint)


@pytest.mark.parametrize(("method", "path", "body", "scope", "_foreign"), ENDPOINTS)
def test_a_token_without_the_scope_is_refused(client, partner, setpoint, method, path, body, scope, _foreign):
    others = " ".join(sorted(set(ALL_SCOPES.split()) - {scope}))

    answer = _request(client, method, path, body, setpoint, token_for(partner, scope=others))

    assert (answer.status_code, answer.json()["code"]) == (403, "permission-denied")
    assert f"scope {scope}." in answer.json()["detail"]
    assert _nothing_changed(setpoint)


@pytest.mark.parametrize(("method", "path", "body", "scope", "_foreign"), ENDPOINTS)
def test_the_right_partner_needs_that_scope_only(client, partner, setpoint, method, path, body, scope, _foreign):
    answer = _request(client, method, path, body, setpoint, token_for(partner, scope=scope))

    assert answer.status_code == 200, answer.content


@pytest.mark.parametrize(("method", "path", "body", "scope", "foreign"), ENDPOINTS)
def test_another_partner_neither_sees_nor_touches_it(client, setpoint, method, path, body, scope, foreign):
    stranger = make_partner("Laadnet Oost")

    answer = _request(client, method, path, body, setpoint, token_for(stranger, scope=scope))

    assert answer.status_code == foreign
    if method == "GET" and foreign == 200:
        empty = ({"assets": [], "next_after": None}, {"batches": [], "next_after": 0}, {"groups": []})
        assert answer.json() in empty
    assert _nothing_changed(setpoint)


@pytest.mark.parametrize(
    "token",
    [pytest.param("made-up", id="unknown"), pytest.param(None, id="expired")],
)
def test_a_token_that_is_not_valid_is_no_token(client, partner, setpoint, token):
    token = token or token_for(partner, expires_in=timedelta(seconds=-1))

    answer = _request(client, "GET", "/assets", None, setpoint, token)

    assert (answer.status_code, answer.json()["code"]) == (401, "authentication-failed")


def test_an_inactive_partner_is_refused(client, partner, setpoint):
    Partner.objects.update(is_active=False)

    answer = _request(client, "GET", "/assets", None, setpoint, token_for(partner))

    assert answer.status_code == 403


def test_credentials_become_a_token_that_works_and_is_kept_as_a_hash(client, db):
    partner, credentials = operations.register_partner(name="Fresh", now=NOW)
    basic = base64.b64encode(f"{credentials.client_id}:{credentials.client_secret}".encode()).decode()

    answer = client.post(
        "/oauth/token/",
        {"grant_type": "client_credentials", "scope": "assets"},
        headers={"Authorization": f"Basic {basic}"},
    )

    assert answer.status_code == 200
    token = answer.json()["access_token"]
    assert answer.json()["scope"] == "assets"
    assert client.get("/api/v1/assets", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert not type(partner.application.accesstoken_set.get()).objects.filter(token=token).exists()
    partner.application.refresh_from_db()
    assert credentials.client_secret not in partner.application.client_secret


def test_the_rest_of_the_token_server_is_closed(client, db):
    assert [client.get(path).status_code for path in ("/oauth/authorize/", "/oauth/applications/")] == [404, 404]
