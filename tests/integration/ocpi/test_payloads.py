"""Every object that we send, field by field against the tables of OCPI 2.2.1, and every field that we receive."""

import copy
import re
import uuid
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.control.operations import PlannedSetpoint, send_setpoints
from assets.models import Asset, OcpiConnection, ProfileCommand
from assets.ocpi.handshake import register_with
from assets.ocpi.places import take_locations
from assets.ocpi.results import look_after_silence
from assets.ocpi.sending import send_commands
from assets.ocpi.wire import instant_of, text_of
from tests.conformance.ocpi.tables import TABLES, Anything, DateTime, Number, OneOf, Text, Url, problems
from tests.field_side import GROUP_EAN, NOW, at, enrol
from tests.integration.ocpi.cpo_platform import evse, location, session
from tests.integration.ocpi.turns import pull_due

S1, L1 = "/2.2.1/sessions/NL/STA/S1", "/2.2.1/locations/NL/STA/L1"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


def assert_fits(document, table, **options):
    assert list(problems(document, table, **options)) == []


def assert_enveloped(answer):
    document = answer.json()
    assert document.keys() <= {"data", "status_code", "status_message", "timestamp"}
    assert isinstance(document["status_code"], int)
    assert INSTANT.fullmatch(document["timestamp"])
    return document.get("data")


@given(st.datetimes(timezones=st.sampled_from([UTC, ZoneInfo("Europe/Amsterdam")])))
def test_an_instant_is_written_in_utc_with_a_z_and_at_most_25_characters(moment):
    assert DateTime().is_fit(text_of(moment))
    assert text_of(moment).endswith("Z")
    assert abs(instant_of(text_of(moment), field="") - moment) < timedelta(milliseconds=1)


def test_what_we_answer_fits_the_tables(call, evse_e1):
    call("PUT", S1, session())
    for row in assert_enveloped(call("GET", "/versions")):
        assert_fits(row, "Version")
    assert_fits(assert_enveloped(call("GET", "/2.2.1")), "VersionDetail")
    assert_fits(assert_enveloped(call("GET", "/2.2.1/credentials")), "Credentials")
    assert_fits(assert_enveloped(call("GET", S1)), "Session")
    assert_fits(assert_enveloped(call("GET", L1)), "Location")
    assert_fits(assert_enveloped(call("GET", f"{L1}/E1")), "EVSE")
    assert_fits(assert_enveloped(call("GET", f"{L1}/E1/1")), "Connector")


def test_the_credentials_that_we_send_fit_the_tables(partner, token_a, platform, http):
    platform.credentials = platform.own_credentials(token="what-we-shall-use")

    register_with(partner_id=partner.pk, versions_url=platform.versions_url, token=platform.token, http=http, now=NOW)

    assert_fits(platform.received[-1].body, "Credentials")
    for request in platform.received:
        assert not [name for name in request.headers if name.startswith("OCPI-")]  # not on versions and credentials


def prepared(call, connection, group, *, v2g):
    OcpiConnection.objects.update(is_v2g_agreed=v2g)
    connector = {**evse()["connectors"][0], "max_discharge_power": 11_000}
    capable = evse(capabilities=["CHARGING_PROFILE_CAPABLE", "V2X_CAPABLE"], connectors=[connector])
    take_locations(connection_id=connection.pk, documents=[location(capable)], now=NOW)
    asset = Asset.objects.get()
    Asset.objects.update(kind="v2g_charger", max_export_w=11_000)
    enrol(group, [asset])
    call("PUT", S1, session(charging_preferences={"discharge_allowed": True}))
    return asset


def tell(asset, power_w):
    ends_at = at("16:15") + timedelta(minutes=15 * len(power_w))
    planned = PlannedSetpoint(asset_id=asset.pk, starts_at=at("16:15"), ends_at=ends_at, power_w=list(power_w))
    send_setpoints(
        now=NOW,
        aggregation_ean=GROUP_EAN,
        order_reference="order-1",
        reason="",
        revision=1,
        plan=[planned],
        deadline_at=at("20:00"),
    )


@pytest.mark.parametrize("unit", ["W", "A"])
@pytest.mark.parametrize("v2g", [False, True])
def test_profiles_fit_the_tables_and_hold_our_own_fields_only_where_agreed(
    platform, call, connection, group, clock, http, unit, v2g
):
    asset = prepared(call, connection, group, v2g=v2g)
    OcpiConnection.objects.update(rate_unit=unit)
    tell(asset, (-5_000, 3_000, 7_777, 0))

    send_commands(clock=clock, http=http)

    body = platform.profiles()[0].body
    assert_fits(body, "SetChargingProfile", with_extensions=v2g)
    periods = body["charging_profile"]["charging_profile_period"]
    assert any("setpoint" in period for period in periods) is v2g
    assert all("discharge_limit" in period for period in periods) is v2g
    starts = [period["start_period"] for period in periods]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    numbers = [value for period in periods for name, value in period.items() if name != "start_period"]
    assert all(round(number, 1) == number for number in numbers)  # at most one decimal
    assert all(period["limit"] >= 0 for period in periods)
    assert {"start_date_time", "duration"} <= body["charging_profile"].keys()  # it ends by itself


def test_every_request_to_a_functional_module_says_from_whom_and_for_whom_with_ids_of_its_own(
    platform, call, connection, group, clock, http
):
    platform.locations, platform.sessions = [location()], [session()]
    OcpiConnection.objects.update(sessions_until=NOW - timedelta(hours=1))
    pull_due(clock=clock, http=http)
    asset = prepared(call, connection, group, v2g=False)
    tell(asset, (0,))
    send_commands(clock=clock, http=http)
    OcpiConnection.objects.update(seconds_between_profiles=0)
    look_after_silence(now=NOW + timedelta(minutes=1))
    ProfileCommand.objects.filter(kind="get").update(next_attempt_at=NOW)
    send_commands(clock=clock, http=http)

    assert [request.method for request in platform.received] == ["GET", "GET", "PUT", "GET"]
    for request in platform.received:
        routing = {name.lower(): value for name, value in request.headers.items() if name.lower().startswith("ocpi-")}
        assert routing == {
            "ocpi-from-country-code": "NL",
            "ocpi-from-party-id": "AGG",
            "ocpi-to-country-code": "NL",
            "ocpi-to-party-id": "STA",
        }
    ids = [request.headers[name] for request in platform.received for name in ("X-Request-ID", "X-Correlation-ID")]
    assert len({uuid.UUID(one) for one in ids}) == 8
    for request in platform.received[:2]:
        assert all(INSTANT.fullmatch(request.query[name]) for name in ("date_from", "date_to") if name in request.query)


# What we receive: each field of the tables, with each mistake that its row of the table forbids.

NOT_USED = {
    "Session": {
        "authorization_reference",
        "meter_id",
        "total_cost",
        "charging_periods.tariff_id",
        "cdr_token.country_code",
        "cdr_token.party_id",
        "cdr_token.type",
    },
    "Location": {
        "publish",
        "publish_allowed_to",
        "name",
        "address",
        "city",
        "postal_code",
        "state",
        "country",
        "related_locations",
        "parking_type",
        "directions",
        "operator",
        "suboperator",
        "owner",
        "facilities",
        "opening_times",
        "charging_when_closed",
        "images",
        "energy_mix",
        *(
            f"evses.{name}"
            for name in (
                "evse_id",
                "status_schedule",
                "floor_level",
                "coordinates",
                "physical_reference",
                "directions",
                "parking_restrictions",
                "images",
            )
        ),
        *(
            f"evses.connectors.{name}"
            for name in ("standard", "format", "tariff_ids", "terms_and_conditions", "last_updated")
        ),
    },
}
"""Kept as told, right or wrong: nothing here depends on it, and many platforms leave some of it out."""
READ_AS_TOLD = {
    ("Session", "auth_method", "unknown word"),
    ("Session", "charging_periods.dimensions", "empty"),
    ("Session", "charging_periods.dimensions.type", "unknown word"),
    ("Location", "coordinates.latitude", "too long"),
    ("Location", "coordinates.longitude", "too long"),
    ("Location", "evses.status", "unknown word"),
    ("Location", "evses.capabilities", "unknown word"),
}
"""Enumerations that later versions open: a word we do not know says nothing to us. Nor does an empty period,
or the tenth decimal of a place."""


def whole_session():
    period = {
        "start_date_time": "2026-01-14T16:00:00Z",
        "dimensions": [{"type": "ENERGY", "volume": 1.25}],
        "tariff_id": "T1",
    }
    return session(
        end_date_time=None,
        authorization_reference="A1",
        meter_id="M1",
        charging_periods=[period],
        total_cost={"excl_vat": 1.0},
    )


def whole_location():
    connector = {**evse()["connectors"][0], "max_electric_power": 11_000, "tariff_ids": ["T1"]}
    point = {"latitude": "52.0930", "longitude": "5.1180"}
    return location(evse(evse_id="NL*STA*E1", floor_level="1", coordinates=point, connectors=[connector]), name="Neude")


def mistakes(field):
    """Yield what a field may not be, by name."""
    if field.is_required:
        yield "missing", None
    yield "other type", {"no": "such"} if not isinstance(field.kind, str) or field.is_list else "text"
    if field.cardinality == "+":
        yield "empty", []
    match field.kind:
        case Text() | Url():
            yield "too long", "x" * (field.kind.longest + 1)
        case OneOf():
            yield "unknown word", "NO_SUCH_WORD"
        case DateTime():
            yield "no instant", "2026-13-14T16:00:00Z"
        case Number():
            yield "text", "1"
            yield "truth", True


def fields_of(table, path=""):
    for name, field in TABLES[table].items():
        yield f"{path}{name}", field
        if isinstance(field.kind, str):
            yield from fields_of(field.kind, f"{path}{name}.")


def with_mistake(document, path, value, *, is_list):
    changed = copy.deepcopy(document)
    *parents, last = path.split(".")
    place = changed
    for name in parents:
        inner = place.get(name)
        if inner is None:
            return None
        place = inner[0] if isinstance(inner, list) else inner
    place[last] = [value] if is_list and not isinstance(value, list | None | dict) else value
    return changed


CASES = [
    pytest.param(table, path, what, value, field, id=f"{table}.{path}: {what}")
    for table in ("Session", "Location")
    for path, field in fields_of(table)
    if not isinstance(field.kind, Anything)
    for what, value in mistakes(field)
]


@pytest.fixture
def send(call, evse_e1):
    def sending(table, document):
        return call("PUT", S1 if table == "Session" else L1, document)

    return sending


def test_whole_objects_are_taken(send):
    assert_fits(whole_session(), "Session")
    assert_fits(whole_location(), "Location")
    assert send("Session", whole_session()).json()["status_code"] == 1000
    assert send("Location", whole_location()).json()["status_code"] == 1000


def test_each_mistake_in_a_field_that_we_use_is_2001_and_every_other_field_is_kept_as_told(send):
    """One test for all cases, each on the same service: HTTP is 200 or 201 whatever a known object holds."""
    wrong = []
    for case in CASES:
        table, path, what, value, field = case.values
        whole = whole_session() if table == "Session" else whole_location()
        document = with_mistake(whole, path, value, is_list=field.is_list)
        if document is None:
            continue
        answer = send(table, document)
        status = answer.json()["status_code"]
        parents = [".".join(path.split(".")[: length + 1]) for length in range(path.count(".") + 1)]
        is_used = not any(parent in NOT_USED[table] for parent in parents)
        expected = 2001 if is_used and (table, path, what) not in READ_AS_TOLD else 1000
        if answer.status_code not in {200, 201} or status != expected:
            wrong.append((case.id, answer.status_code, status, answer.json().get("status_message")))
    assert not wrong, "\n".join(map(str, wrong))
