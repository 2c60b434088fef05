"""Locations, EVSEs and connectors as their receiver, and the assets they become (mod_locations)."""

import pytest

from aggregator.core.models import AuditEvent
from assets.control.operations import PlannedSetpoint, SetpointRefused, send_setpoints
from assets.models import Asset, AssetState, ChargingSession, OcpiEvse, OcpiParty, OcpiUnknownEvse
from assets.ocpi.places import take_locations
from tests.field_side import GROUP_EAN, NOW, at, charger, enrol, make_assets
from tests.integration.ocpi.cpo_platform import evse, location, session

L1 = "/2.2.1/locations/NL/STA/L1"


def v2g_evse():
    plain = evse()
    connector = {**plain["connectors"][0], "max_discharge_power": 11_000}
    return {**plain, "capabilities": ["CHARGING_PROFILE_CAPABLE", "V2X_CAPABLE"], "connectors": [connector]}


def test_an_evse_nobody_registered_becomes_an_asset_with_careful_guesses(call):
    answer = call("PUT", L1, location())

    assert (answer.status_code, answer.json()["status_code"]) == (201, 1000)
    asset = Asset.objects.get(external_id="E1")
    assert (asset.kind, asset.max_import_w, asset.min_import_w, asset.max_export_w) == ("charger", 11_040, 4_140, 0)
    assert asset.pausing == Asset.Pausing.UNKNOWN
    linked = OcpiEvse.objects.get()
    assert (linked.asset, linked.phases, linked.is_profile_capable, linked.defines_asset) == (asset, 3, True, True)
    assert call("GET", L1).json()["data"] == location()


def test_an_evse_we_know_keeps_what_was_agreed(call, partner):
    make_assets(partner, [charger("e1", max_import_w=7_000, min_import_w=1_380, pausing="can_pause")])

    call("PUT", L1, location())

    asset = Asset.objects.get()
    assert (asset.external_id, asset.max_import_w, asset.pausing) == ("e1", 7_000, "can_pause")
    assert OcpiEvse.objects.get().defines_asset is False


@pytest.mark.parametrize(
    ("changes", "phases", "max_import_w", "min_import_w"),
    [
        pytest.param({"power_type": "AC_1_PHASE", "max_amperage": 32}, 1, 7_360, 1_380, id="one phase"),
        pytest.param(
            {"max_amperage": 32, "max_electric_power": 11_000}, 3, 11_000, 4_140, id="power below the current"
        ),
        pytest.param(
            {"power_type": "DC", "max_voltage": 500, "max_amperage": 120, "max_electric_power": 50_000},
            0,
            50_000,
            0,
            id="direct current",
        ),
    ],
)
def test_limits_follow_the_connector(call, changes, phases, max_import_w, min_import_w):
    plain = evse()

    call("PUT", L1, location({**plain, "connectors": [{**plain["connectors"][0], **changes}]}))

    asset = Asset.objects.get()
    assert OcpiEvse.objects.get().phases == phases
    assert (asset.max_import_w, asset.min_import_w) == (max_import_w, min_import_w)


@pytest.mark.parametrize("is_registered", [False, True], ids=["made-from-the-evse", "registered-before"])
def test_a_connector_that_is_lowered_later_bounds_what_leaves(call, partner, group, is_registered):
    if is_registered:
        make_assets(partner, [charger("E1", max_import_w=22_080)])
    call("PUT", L1, location())
    asset = Asset.objects.get()
    enrol(group, [asset])
    before_w = asset.max_import_w
    weaker = {**evse()["connectors"][0], "max_amperage": 8, "last_updated": "2026-01-14T16:02:00Z"}

    assert call("PUT", f"{L1}/E1/1", weaker).status_code == 200

    def ask(power_w):
        plan = [PlannedSetpoint(asset.pk, at("17:00"), at("17:15"), [power_w])]
        send_setpoints(
            now=NOW, aggregation_ean=GROUP_EAN, order_reference="order-1", reason="", revision=1, plan=plan,
            deadline_at=at("17:15"),
        )  # fmt: skip

    with pytest.raises(SetpointRefused, match=f"is asked {before_w} W and may take at most 5520 W"):
        ask(before_w)
    ask(5_520)


@pytest.mark.parametrize(("is_agreed", "kind", "export_w"), [(True, "v2g_charger", 11_000), (False, "charger", 0)])
def test_feeding_in_needs_an_agreement(call, connection, is_agreed, kind, export_w):
    type(connection).objects.filter(pk=connection.pk).update(is_v2g_agreed=is_agreed)

    call("PUT", L1, location(v2g_evse()))

    asset = Asset.objects.get()
    assert (asset.kind, asset.max_export_w) == (kind, export_w)


def test_an_evse_and_a_connector_change_by_themselves(call):
    call("PUT", L1, location())
    out_of_order = call("PATCH", f"{L1}/E1", {"status": "OUTOFORDER", "last_updated": "2026-01-14T16:00:00Z"})
    added = call("PUT", f"{L1}/E2", evse("E2", last_updated="2026-01-14T16:01:00Z"))
    stronger = {**evse()["connectors"][0], "max_amperage": 32, "last_updated": "2026-01-14T16:02:00Z"}
    changed = call("PUT", f"{L1}/e2/1", stronger)

    assert [answer.status_code for answer in (out_of_order, added, changed)] == [200, 201, 200]
    assert AssetState.objects.get(asset__external_id="E1").is_available is False
    assert Asset.objects.get(external_id="E2").max_import_w == 22_080
    assert call("GET", f"{L1}/E2/1").json()["data"]["max_amperage"] == 32
    assert call("GET", L1).json()["data"]["last_updated"] == "2026-01-14T16:02:00Z"


def test_parts_of_unknown_locations_are_404(call):
    assert call("PUT", f"{L1}/E1", evse()).status_code == 404
    assert call("PATCH", L1, {"last_updated": "2026-01-14T16:00:00Z"}).status_code == 404
    assert call("GET", f"{L1}/E1/1").status_code == 404
    assert not Asset.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"evses": [evse(connectors=[])]}, "connectors", id="EVSE without connector"),
        pytest.param({"evses": [evse(uid="")]}, "uid", id="empty uid"),
        pytest.param({"coordinates": None}, "coordinates", id="no coordinates"),
        pytest.param({"id": "L2"}, "id in the body", id="other id than the address"),
    ],
)
def test_a_location_that_is_wrong_stores_nothing(call, changes, words):
    answer = call("PUT", L1, location(**changes))

    assert (answer.status_code, answer.json()["status_code"]) == (200, 2001)
    assert words in answer.json()["status_message"]
    assert not Asset.objects.exists()


def test_older_locations_change_nothing(connection):
    take_locations(connection_id=connection.pk, documents=[location()], now=NOW)
    older = location(evse(status="REMOVED"), last_updated="2026-01-13T12:00:00Z")

    assert take_locations(connection_id=connection.pk, documents=[older], now=NOW).evses == 0
    assert OcpiEvse.objects.get().status == "CHARGING"


def test_evses_change_in_any_order_and_each_goes_by_its_own_age(call):
    call("PUT", L1, location(evse("E1"), evse("E2")))
    call("PATCH", f"{L1}/E1", {"status": "OUTOFORDER", "last_updated": "2026-01-14T16:05:00Z"})

    later_but_older = call("PATCH", f"{L1}/E2", {"status": "AVAILABLE", "last_updated": "2026-01-14T16:04:00Z"})
    old_news = call("PUT", f"{L1}/E1", evse("E1", status="CHARGING", last_updated="2026-01-14T16:04:00Z"))

    assert [later_but_older.status_code, old_news.status_code] == [200, 200]
    assert dict(OcpiEvse.objects.values_list("key", "status")) == {"e1": "OUTOFORDER", "e2": "AVAILABLE"}
    assert call("GET", L1).json()["data"]["last_updated"] == "2026-01-14T16:05:00Z"


def test_a_patch_cannot_turn_one_object_into_another(call):
    call("PUT", L1, location())

    answer = call("PATCH", f"{L1}/E1", {"uid": "E9", "last_updated": "2026-01-14T16:05:00Z"})

    assert (answer.status_code, answer.json()["status_code"]) == (200, 2001)
    assert "cannot change uid" in answer.json()["status_message"]


def test_a_page_keeps_the_locations_that_are_good_and_names_the_others(connection):
    documents = [
        location(),
        location(id="L2", coordinates=None),
        location(id="L3", party_id="XXX"),
        location(evse("E4", connectors=[{**evse()["connectors"][0], "max_amperage": 10**9}]), id="L4"),
        location(id="L5", last_updated="2026-01-14T16:30:00Z"),
        "no object",
    ]

    taken = take_locations(connection_id=connection.pk, documents=documents, now=NOW)

    assert taken.evses == 1
    assert [name for name, _ in taken.refused] == ["L2", "L3", "L4", "L5", ""]
    assert list(Asset.objects.values_list("external_id", flat=True)) == ["E1"]


def test_an_evse_from_the_future_is_refused_as_it_would_outdate_all_that_is_still_to_come(call, evse_e1):
    ahead = call("PUT", L1, location(evse(status="BLOCKED", last_updated="2026-01-15T16:00:00Z")))
    told = call("PUT", f"{L1}/E1", evse(status="OUTOFORDER", last_updated="2026-01-14T16:05:00Z"))

    assert (ahead.json()["status_code"], told.json()["status_code"]) == (2001, 1000)
    assert "evses[0]: last_updated has not happened yet" in ahead.json()["status_message"]
    evse_e1.refresh_from_db()
    assert evse_e1.status == "OUTOFORDER"


def test_the_newest_of_a_location_counts_that_a_page_lists_twice(connection):
    newest = location(evse("E1"), evse("E2"), last_updated="2026-01-14T12:05:00Z")

    take_locations(connection_id=connection.pk, documents=[newest, location()], now=NOW)

    assert connection.locations.get().document == newest


def test_an_evse_of_another_party_of_the_platform_is_not_taken_for_one_of_the_same_uid(call, connection):
    OcpiParty.objects.create(connection=connection, country_code="NL", party_id="UTR")
    call("PUT", L1, location())
    theirs = location(id="L2", party_id="UTR")

    refused = call("PUT", "/2.2.1/locations/NL/UTR/L2", theirs).json()
    nowhere = call("PUT", "/2.2.1/sessions/NL/UTR/S9", session("S9", party_id="UTR", location_id="L2")).json()

    assert refused["status_code"] == 2001
    assert "uid E1 is an EVSE of NL*STA" in refused["status_message"]
    assert nowhere["status_code"] == 2003
    assert not ChargingSession.objects.exists()
    assert not OcpiUnknownEvse.objects.exists()  # nothing to fetch again: it is known
    assert call("PUT", L1, location(last_updated="2026-01-14T12:01:00Z")).json()["status_code"] == 1000


def test_an_evse_of_another_location_is_not_taken_for_one_of_the_same_uid(call, connection):
    call("PUT", L1, location())
    second = "/2.2.1/locations/NL/STA/L2"

    refused = call("PUT", second, location(evse(connectors=[{**evse()["connectors"][0], "max_amperage": 32}]), id="L2"))
    nowhere = call("PUT", "/2.2.1/sessions/NL/STA/S9", session("S9", location_id="L2"))

    assert (refused.json()["status_code"], nowhere.json()["status_code"]) == (2001, 2003)
    assert "uid E1 is an EVSE of location nl*sta*l1, and unique" in refused.json()["status_message"]
    assert Asset.objects.get().max_import_w == 11_040
    assert not ChargingSession.objects.exists()
    assert not OcpiUnknownEvse.objects.exists()
    assert connection.locations.get().key == "nl*sta*l1"
    assert call("PUT", L1, location(last_updated="2026-01-14T12:01:00Z")).json()["status_code"] == 1000


@pytest.mark.parametrize("on_one_page", [False, True])
def test_an_evse_that_is_removed_at_one_location_may_come_to_another(connection, on_one_page):
    gone = location(evse(status="REMOVED"), last_updated="2026-01-14T12:01:00Z")
    here = location(evse(status="AVAILABLE"), id="L2", last_updated="2026-01-14T12:02:00Z")
    gone_still = {**gone, "last_updated": "2026-01-14T12:03:00Z"}
    pages = [[here, gone]] if on_one_page else [[gone], [here]]
    before_that = location(last_updated="2026-01-14T11:00:00Z")

    for page in ([location()], *pages, [gone_still, before_that]):
        assert take_locations(connection_id=connection.pk, documents=page, now=NOW).refused == ()

    kept = OcpiEvse.objects.get()
    assert (kept.location, kept.status, kept.asset) == ("nl*sta*l2", "AVAILABLE", Asset.objects.get())
    moved = AuditEvent.objects.get(action="assets.ocpi.evse-moved")
    assert (moved.before, moved.after) == ({"location": "nl*sta*l1"}, {"location": "nl*sta*l2"})


def test_a_session_that_was_known_before_its_evse_moved_ends(call, connection):
    call("PUT", L1, location())
    call("PUT", "/2.2.1/sessions/NL/STA/S1", session())
    call("PUT", L1, location(evse(status="REMOVED"), last_updated="2026-01-14T12:01:00Z"))
    call("PUT", "/2.2.1/locations/NL/STA/L2", location(id="L2", last_updated="2026-01-14T12:02:00Z"))

    over = {"status": "COMPLETED", "end_date_time": "2026-01-14T16:06:00Z", "last_updated": "2026-01-14T16:06:00Z"}
    assert call("PATCH", "/2.2.1/sessions/NL/STA/S1", over).json()["status_code"] == 1000
    assert ChargingSession.objects.get().plug_out_at is not None


def test_of_two_parties_that_list_one_uid_on_a_page_the_first_has_it(connection):
    OcpiParty.objects.create(connection=connection, country_code="NL", party_id="UTR")
    page = [location(), location(evse("e1"), evse("E2"), id="L2", party_id="UTR")]

    taken = take_locations(connection_id=connection.pk, documents=page, now=NOW)

    assert [name for name, _ in taken.refused] == ["L2"]
    assert list(OcpiEvse.objects.values_list("key", "party")) == [("e1", "NL*STA")]
