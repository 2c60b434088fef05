"""Sessions as their receiver: PUT, PATCH, GET, and what they become (mod_sessions)."""

import json
import logging
from datetime import timedelta

import pytest
from django.db import connection as database

from assets.models import AssetState, ChargingSession, OcpiSession
from assets.ocpi import receiving
from assets.ocpi.connections import open_connection
from assets.ocpi.wire import text_of
from tests.field_side import NOW, at, charger, make_assets, make_partner
from tests.integration.ocpi.cpo_platform import evse, session

S1 = "/2.2.1/sessions/NL/STA/S1"


@pytest.fixture
def other_connection(db):
    return open_connection(partner=make_partner("Elsewhere"), now=NOW)[0]


def charging_session(name="S1"):
    return ChargingSession.objects.get(external_id=name)


def test_a_session_is_told_and_updated(call, evse_e1):
    power = {"start_date_time": "2026-01-14T16:00:00Z", "dimensions": [{"type": "POWER", "volume": 7.2}]}
    first = call("PUT", S1, session(charging_periods=[power]))
    again = call("PUT", S1, session(kwh=2.5, last_updated="2026-01-14T16:06:00Z"))

    assert (first.status_code, first.json()["status_code"]) == (201, 1000)
    assert "data" not in first.json()
    assert again.status_code == 200
    kept = charging_session()
    assert (kept.asset, kept.plug_in_at, kept.plug_out_at) == (evse_e1.asset, at("16:00"), None)
    assert (kept.energy_wh, kept.max_import_w) == (2_500, 11_040)
    state = AssetState.objects.get(asset=evse_e1.asset)
    assert (state.power_w, state.is_plugged_in, state.at) == (7_200, True, at("16:05"))


@pytest.mark.parametrize(("told_kw", "power_w"), [(3.7, 3_700), (22, 11_040), (0.001, 1), (0.0004, 11_040)])
def test_a_told_most_power_counts_where_it_is_a_watt_and_no_more_than_the_charger_gives(
    call, evse_e1, told_kw, power_w
):
    most = {"start_date_time": "2026-01-14T16:00:00Z", "dimensions": [{"type": "MAX_POWER", "volume": told_kw}]}

    assert call("PUT", S1, session(charging_periods=[most])).status_code == 201
    assert charging_session().max_import_w == power_w


def test_routing_headers_are_turned_round(call, evse_e1):
    answer = call("PUT", S1, session(), headers={"OCPI-from-country-code": "NL", "OCPI-from-party-id": "STA"})

    names = ("OCPI-from-country-code", "OCPI-from-party-id", "OCPI-to-country-code", "OCPI-to-party-id")
    assert [answer[name] for name in names] == ["NL", "AGG", "NL", "STA"]


def test_a_session_ends_once_and_its_object_is_not_kept(call, evse_e1):
    call("PUT", S1, session())
    call(
        "PATCH",
        S1,
        {
            "status": "COMPLETED",
            "end_date_time": "2026-01-14T16:06:00Z",
            "kwh": 3,
            "last_updated": "2026-01-14T16:06:10Z",
        },
    )
    late = call("PUT", S1, session(last_updated="2026-01-14T16:06:30Z"))

    kept = charging_session()
    assert (kept.plug_out_at, kept.energy_wh) == (at("16:06"), 3_000)
    assert late.status_code == 200
    assert OcpiSession.objects.get().document is None
    assert call("GET", S1).status_code == 404


def test_a_patch_lays_over_and_appends_periods_once(call, evse_e1):
    first = {"start_date_time": "2026-01-14T16:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 1}]}
    second = {"start_date_time": "2026-01-14T16:05:00Z", "dimensions": [{"type": "POWER", "volume": 3.7}]}
    call("PUT", S1, session(charging_periods=[first]))
    patch = {"charging_periods": [second], "kwh": 1.5, "last_updated": "2026-01-14T16:06:00Z"}

    assert call("PATCH", S1, patch).status_code == 200
    assert call("PATCH", S1, patch).status_code == 200

    stored = call("GET", S1).json()["data"]
    assert stored["charging_periods"] == [first, second]
    assert (stored["kwh"], stored["status"]) == (1.5, "ACTIVE")
    assert AssetState.objects.get().power_w == 3_700


def test_a_patch_needs_a_session_and_last_updated(call, evse_e1):
    unknown = call("PATCH", S1, {"kwh": 1, "last_updated": "2026-01-14T16:06:00Z"})
    call("PUT", S1, session())
    undated = call("PATCH", S1, {"kwh": 9})

    assert unknown.status_code == 404
    assert (undated.status_code, undated.json()["status_code"]) == (200, 2001)
    assert charging_session().energy_wh == 1_250


def test_older_news_changes_nothing_whatever_its_order(call, evse_e1):
    call("PUT", S1, session(kwh=5, last_updated="2026-01-14T16:06:00Z"))

    answer = call("PUT", S1, session(kwh=1, last_updated="2026-01-14T16:01:00Z"))

    assert answer.status_code == 200
    assert charging_session().energy_wh == 5_000


def test_ids_have_no_case(call, evse_e1):
    call("PUT", S1, session())

    answer = call(
        "PUT", "/2.2.1/sessions/nl/sta/s1", session("s1", evse_uid="e1", kwh=2, last_updated="2026-01-14T16:06:00Z")
    )

    assert answer.status_code == 200
    assert [(one.external_id, one.energy_wh) for one in ChargingSession.objects.all()] == [("S1", 2_000)]


def test_card_and_contract_are_nowhere_to_be_found(call, evse_e1, caplog):
    caplog.set_level(logging.DEBUG)
    call("PUT", S1, session())
    call("PUT", "/2.2.1/sessions/NL/STA/S2", session("S2", evse_uid="nowhere"))
    call("PATCH", S1, {"cdr_token": session()["cdr_token"], "last_updated": "2026-01-14T16:06:00Z"})

    tables = database.introspection.table_names()
    with database.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT string_agg(t::text, '') FROM {table} AS t")  # noqa: S608 - our own tables
            content = cursor.fetchone()[0] or ""
            assert "04AABBCCDD" not in content.upper(), table
            assert "C12345678" not in content.upper(), table
    assert "04AABBCCDD" not in caplog.text
    stored = call("GET", S1).json()["data"]["cdr_token"]
    assert (stored["type"], len(stored["uid"]), len(stored["contract_id"])) == ("RFID", 36, 36)


def test_a_driver_is_recognised_across_cards_and_sessions_but_not_across_partners(call, evse_e1, other_connection):
    token = session()["cdr_token"]
    call("PUT", S1, session(status="COMPLETED", end_date_time="2026-01-14T16:02:00Z"))
    second_card = {**token, "uid": "11", "contract_id": "nl-msp-c12345678-x"}
    call(
        "PUT", "/2.2.1/sessions/NL/STA/S2", session("S2", start_date_time="2026-01-14T16:03:00Z", cdr_token=second_card)
    )

    drivers = set(ChargingSession.objects.values_list("driver_token", flat=True))
    assert len(drivers) == 1
    elsewhere = receiving.pseudonymised(other_connection.pk, session())["cdr_token"]["contract_id"]
    assert elsewhere != receiving.pseudonymised(evse_e1.connection_id, session())["cdr_token"]["contract_id"]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        pytest.param({"evse_uid": "E9"}, 2003, "PUT its Location first", id="unknown EVSE"),
        pytest.param({"kwh": "1.25"}, 2001, "kwh", id="text for a number"),
        pytest.param({"kwh": True}, 2001, "kwh", id="truth for a number"),
        pytest.param({"start_date_time": "yesterday"}, 2001, "start_date_time", id="no instant"),
        pytest.param({"start_date_time": "2026-01-14T19:00:00Z"}, 2001, "has not happened", id="in the future"),
        pytest.param({"status": "CHARGING"}, 2001, "status", id="unknown status"),
        pytest.param({"cdr_token": None}, 2001, "cdr_token", id="no token"),
        pytest.param({"currency": None}, 2001, "currency", id="no currency"),
        pytest.param({"last_updated": None}, 2001, "last_updated", id="no last_updated"),
        pytest.param({"id": "S2"}, 2001, "id in the body", id="other id than the address"),
        pytest.param({"party_id": "XXX"}, 2001, "party_id in the body", id="other party than the address"),
        pytest.param({"charging_periods": {}}, 2001, "charging_periods", id="periods no list"),
    ],
)
def test_an_object_that_is_wrong_is_http_200_with_a_status_that_says_so(call, evse_e1, changes, status, words):
    answer = call("PUT", S1, session(**changes))

    assert (answer.status_code, answer.json()["status_code"]) == (200, status)
    assert words in answer.json()["status_message"]
    assert not ChargingSession.objects.exists()
    assert not OcpiSession.objects.exists()


def test_what_is_no_json_is_400_and_a_party_that_is_not_yours_404(call, evse_e1):
    broken = call("PUT", S1, "{")
    foreign = call("PUT", "/2.2.1/sessions/NL/XXX/S1", session(party_id="XXX"))

    assert (broken.status_code, foreign.status_code) == (400, 404)
    assert not ChargingSession.objects.exists()


def test_unknown_fields_and_fields_of_later_versions_are_ignored(call, evse_e1):
    assert call("PUT", S1, session(nlagg_note="x", total_cost={"before_taxes": 1})).status_code == 201


def test_a_session_whose_end_was_never_told_ends_where_the_next_begins(call, evse_e1):
    call("PUT", S1, session())

    assert (
        call("PUT", "/2.2.1/sessions/NL/STA/S2", session("S2", start_date_time="2026-01-14T16:05:30Z")).status_code
        == 201
    )

    assert charging_session().plug_out_at == at("16:05") + timedelta(seconds=30)
    assert charging_session("S2").plug_out_at is None
    assert OcpiSession.objects.get(session_id="S1").status == "COMPLETED"


def test_a_reservation_is_no_car(call, evse_e1):
    call("PUT", S1, session(status="RESERVATION"))

    assert not ChargingSession.objects.exists()
    call("PATCH", S1, {"status": "ACTIVE", "last_updated": "2026-01-14T16:06:00Z"})
    assert charging_session().plug_in_at == at("16:00")


def test_a_driver_declares_through_charging_preferences(call, evse_e1):
    preferences = {"departure_time": "2026-01-15T06:30:00Z", "energy_need": 22, "discharge_allowed": True}

    call("PUT", S1, session(charging_preferences=preferences))

    kept = charging_session()
    assert (kept.declared_departure_at, kept.declared_energy_wh) == (at("06:30", day=15), 22_000)
    assert OcpiSession.objects.get().is_discharge_allowed is True


def test_a_session_listed_after_its_end_says_since_when_its_driver_declared(call, evse_e1):
    preferences = {"energy_need": 22, "declared_at": "2026-01-14T16:01:00Z"}

    call("PUT", S1, session(charging_preferences=preferences, status="COMPLETED", end_date_time="2026-01-14T16:05:00Z"))

    assert charging_session().declarations.get().told_at == at("16:01")


def test_a_level_becomes_energy_where_the_battery_is_known(call, evse_e1):
    make_assets(evse_e1.connection.partner, [charger("E1", capacity_wh=50_000)])
    dimensions = [{"type": "STATE_OF_CHARGE", "volume": 40}, {"type": "POWER", "volume": 0}]
    call("PUT", S1, session(charging_periods=[{"start_date_time": "2026-01-14T16:00:00Z", "dimensions": dimensions}]))

    assert charging_session().arrival_level_wh == 20_000
    assert AssetState.objects.get().level_wh == 20_000


def test_a_page_keeps_what_is_good_and_names_what_is_not(connection, evse_e1):
    documents = [
        session("S1", status="COMPLETED", end_date_time="2026-01-14T16:01:00Z"),
        session("S2", evse_uid="E9"),
        session("S3", start_date_time="2026-01-14T16:02:00Z", kwh=None),
        session("S4", start_date_time="2026-01-14T18:00:00Z"),
        session("S5", start_date_time="2026-01-14T16:03:00Z"),
        "no object",
    ]

    taken = receiving.take_sessions(connection_id=connection.pk, documents=documents, now=NOW)

    assert (taken.created, taken.updated, taken.stale) == (2, 0, 0)
    assert sorted(name for name, _ in taken.refused) == ["", "S2", "S3", "S4"]
    assert set(ChargingSession.objects.values_list("external_id", flat=True)) == {"S1", "S5"}


def test_the_same_page_twice_changes_nothing(connection, evse_e1, django_assert_max_num_queries):
    documents = [
        session(
            f"S{number}",
            status="COMPLETED",
            start_date_time=f"2026-01-13T{number:02}:00:00Z",
            end_date_time=f"2026-01-13T{number:02}:30:00Z",
        )
        for number in range(20)
    ]
    receiving.take_sessions(connection_id=connection.pk, documents=documents, now=NOW)
    before = json.dumps(list(ChargingSession.objects.order_by("id").values()), default=str)

    with django_assert_max_num_queries(40):
        taken = receiving.take_sessions(connection_id=connection.pk, documents=documents, now=NOW)

    assert (taken.created, taken.updated) == (0, 20)
    assert json.dumps(list(ChargingSession.objects.order_by("id").values()), default=str) == before


def test_a_clock_that_is_a_little_ahead_is_borne_and_one_far_ahead_blocks_nothing(call, evse_e1):
    ahead = call("PUT", S1, session(kwh=2, last_updated="2026-01-14T16:11:00Z"))
    far_ahead = call("PUT", S1, session(kwh=3, last_updated="2026-01-14T16:13:00Z"))
    next_one = call("PUT", S1, session(kwh=4, last_updated="2026-01-14T16:11:30Z"))

    assert [one.json()["status_code"] for one in (ahead, far_ahead, next_one)] == [1000, 2001, 1000]
    assert "last_updated has not happened yet" in far_ahead.json()["status_message"]
    assert charging_session().energy_wh == 4_000


@pytest.mark.parametrize("path", ["/2.2.1/sessionsNL/STA/S1", "/2.2.1/sessions//NL/STA/S1", f"{S1}/"])
def test_addresses_are_put_together_with_as_many_slashes_as_peers_like(call, evse_e1, path):
    assert call("PUT", path, session()).status_code == 201


def test_a_patch_cannot_turn_one_session_into_another(call, evse_e1):
    call("PUT", S1, session())

    answers = [
        call("PATCH", S1, {name: value, "last_updated": "2026-01-14T16:06:00Z"})
        for name, value in (("id", "S2"), ("party_id", "XXX"))
    ]

    assert [one.json()["status_code"] for one in answers] == [2001, 2001]
    assert OcpiSession.objects.count() == 1


def test_a_page_holds_sessions_of_registered_parties_only(connection, evse_e1):
    taken = receiving.take_sessions(connection_id=connection.pk, documents=[session(party_id="XXX")], now=NOW)

    assert [name for name, _ in taken.refused] == ["S1"]
    assert not ChargingSession.objects.exists()


def test_a_session_that_ends_when_it_started_is_over_too(call, evse_e1):
    call("PUT", S1, session())
    over = {"status": "INVALID", "end_date_time": "2026-01-14T16:00:00Z", "last_updated": "2026-01-14T16:06:00Z"}

    call("PATCH", S1, over)
    call("PUT", "/2.2.1/sessions/NL/STA/S2", session("S2", **over))  # of one never told, nothing is kept

    kept = ChargingSession.objects.get()
    assert (kept.external_id, kept.plug_out_at) == ("S1", at("16:00") + timedelta(seconds=1))


@pytest.mark.parametrize("ahead_s", [1, 299])
def test_a_state_by_a_clock_that_is_a_little_ahead_counts(call, connection, evse_e1, ahead_s):
    power = {"start_date_time": "2026-01-14T16:00:00Z", "dimensions": [{"type": "POWER", "volume": 7.2}]}
    soon = NOW + timedelta(seconds=ahead_s)

    call("PUT", S1, session(charging_periods=[power], last_updated=text_of(soon)))
    states = list(AssetState.objects.values_list("power_w", "at", "is_available"))
    broken = evse(status="OUTOFORDER", last_updated=text_of(soon + timedelta(seconds=1)))
    call("PUT", "/2.2.1/locations/NL/STA/L1/E1", broken)

    assert states == [(7_200, soon, True)]
    assert not AssetState.objects.get().is_available


def test_a_session_is_kept_though_another_of_its_name_on_the_page_cannot_be_read(connection, evse_e1):
    page = [session(kwh="much", last_updated="2026-01-14T16:01:00Z"), session()]

    taken = receiving.take_sessions(connection_id=connection.pk, documents=page, now=NOW)

    assert ([name for name, _ in taken.refused], taken.created) == (["S1"], 1)
    assert charging_session().energy_wh == OcpiSession.objects.get(session_id="S1").document["kwh"] * 1_000
