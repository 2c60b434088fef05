"""A session that a platform corrects to another EVSE: it moves, with all that followed from where it seemed to be."""

import pytest

from assets.models import (
    Asset,
    AssetState,
    ChargingSession,
    Declaration,
    MeterInterval,
    OcpiConnection,
    OcpiEdge,
    OcpiSession,
    ProfileCommand,
)
from assets.ocpi.places import take_locations
from assets.ocpi.receiving import take_sessions
from assets.ocpi.sending import send_commands
from tests.field_side import NOW, at, enrol
from tests.integration.ocpi.cpo_platform import evse, location, session
from tests.integration.ocpi.profile_side import S1, tell

Status = ProfileCommand.Status


@pytest.fixture
def evses(connection):
    """E1 and E2 of one location."""
    take_locations(connection_id=connection.pk, documents=[location(evse("E1"), evse("E2"))], now=NOW)
    return {key: connection.evses.select_related("asset").get(key=key) for key in ("e1", "e2")}


@pytest.fixture
def take(connection, evses):
    def taking(*documents):
        taken = take_sessions(connection_id=connection.pk, documents=list(documents), now=NOW)
        assert taken.refused == ()

    return taking


def at_e2(name="S1", **changes):
    return session(name, evse_uid="E2", **{"last_updated": "2026-01-14T16:06:00Z", **changes})


def recorded():
    """Return where each session is and when it ends."""
    rows = ChargingSession.objects.order_by("external_id", "asset__external_id")
    return list(rows.values_list("external_id", "asset__external_id", "plug_out_at"))


def plugged_in():
    return dict(AssetState.objects.values_list("asset__external_id", "is_plugged_in"))


def power(kw):
    return [{"start_date_time": "2026-01-14T16:00:00Z", "dimensions": [{"type": "POWER", "volume": kw}]}]


def test_it_is_at_one_evse_with_all_that_was_known_of_it(call, evses):
    wishes = {"energy_need": 22}
    call("PUT", S1, session(charging_preferences=wishes, charging_periods=power(7)))
    before = ChargingSession.objects.get()
    assert plugged_in() == {"E1": True}

    answer = call("PATCH", S1, {"evse_uid": "E2", "last_updated": "2026-01-14T16:06:00Z"})

    assert answer.json()["status_code"] == 1000
    assert recorded() == [("S1", "E2", None)]
    assert ChargingSession.objects.get().pk == before.pk
    assert Declaration.objects.get().energy_wh == 22_000
    assert plugged_in() == {"E1": False, "E2": True}
    call("PATCH", S1, {"evse_uid": "E1", "last_updated": "2026-01-14T16:06:30Z"})
    assert recorded() == [("S1", "E1", None)]
    assert OcpiSession.objects.get().evse == evses["e1"]


def test_one_that_is_over_by_then_moves_too(take):
    take(session())
    take(at_e2(status="COMPLETED", end_date_time="2026-01-14T16:04:00Z"))
    assert recorded() == [("S1", "E2", at("16:04"))]
    take(session(status="COMPLETED", end_date_time="2026-01-14T16:05:00Z", last_updated="2026-01-14T16:07:00Z"))
    assert recorded() == [("S1", "E1", at("16:05"))]


@pytest.mark.parametrize(("starts", "is_first"), [("15:30", True), ("16:02", False)])
def test_of_it_and_one_that_is_open_where_it_comes_to_the_later_one_is_there(take, starts, is_first):
    take(session(), at_e2("S2", start_date_time=f"2026-01-14T{starts}:00Z"))

    take(at_e2())

    ended = {"S2": at("16:00")} if is_first else {"S1": at("16:02")}
    assert recorded() == [(name, "E2", ended.get(name)) for name in ("S1", "S2")]
    assert list(OcpiSession.objects.exclude(status="ACTIVE").values_list("session_id", flat=True)) == list(ended)


def test_two_that_a_page_lists_the_other_way_round_change_places(take):
    take(session(), at_e2("S2"))

    take(at_e2(), session("S2", last_updated="2026-01-14T16:07:00Z"))

    assert recorded() == [("S1", "E2", None), ("S2", "E1", None)]


@pytest.mark.parametrize("status", ["PENDING", "RESERVATION"])
def test_one_that_has_yet_to_begin_at_its_new_evse_is_at_none_until_it_does(take, status):
    take(session(charging_periods=power(7)))

    take(at_e2(status=status))

    assert recorded() == []
    assert plugged_in() == {"E1": False}
    take(at_e2(charging_periods=power(7), last_updated="2026-01-14T16:07:00Z"))
    assert recorded() == [("S1", "E2", None)]
    assert plugged_in() == {"E1": False, "E2": True}


def test_one_that_was_first_told_not_to_have_begun_where_it_was_leaves_nothing_there(take):
    take(session(charging_periods=power(7)))
    take(session(status="PENDING", last_updated="2026-01-14T16:05:30Z"))

    take(at_e2(status="PENDING"))

    assert (recorded(), plugged_in()) == ([], {"E1": False})


def test_one_that_has_yet_to_begin_ends_neither_the_one_at_its_new_evse_nor_the_next_one_at_its_old(take):
    take(session(), at_e2("S2", start_date_time="2026-01-14T15:30:00Z"))

    take(at_e2(status="PENDING"), session("S9", start_date_time="2026-01-14T15:50:00Z"))

    assert recorded() == [("S2", "E2", None), ("S9", "E1", None)]


@pytest.mark.parametrize("status", ["ACTIVE", "PENDING"])
def test_older_news_of_another_evse_moves_nothing(take, status):
    take(session())

    take(at_e2(status=status, last_updated="2026-01-14T16:04:00Z"))

    assert recorded() == [("S1", "E1", None)]
    assert OcpiSession.objects.get().evse.key == "e1"


def test_the_next_one_can_be_where_it_was_from_the_same_page_on(take):
    take(session(charging_periods=power(7)))

    take(at_e2(), session("S9", start_date_time="2026-01-14T15:50:00Z", charging_periods=power(3)))

    assert recorded() == [("S1", "E2", None), ("S9", "E1", None)]
    assert plugged_in()["E1"]


def test_what_was_derived_where_it_was_goes_but_for_the_parts_of_others(take):
    def told(name, start, end, **changes):
        energy = [{"start_date_time": f"2026-01-14T{start}:00Z", "dimensions": [{"type": "ENERGY", "volume": 3}]}]
        return session(
            name, start_date_time=f"2026-01-14T{start}:00Z", end_date_time=f"2026-01-14T{end}:00Z",
            status="COMPLETED", charging_periods=energy, last_updated="2026-01-14T16:05:00Z", **changes,
        )  # fmt: skip

    take(told("S0", "14:00", "14:20"), told("S1", "14:25", "15:00"))
    values = MeterInterval.objects.order_by("asset__external_id", "starts_at")
    assert values.count() == 4

    take({**told("S1", "14:25", "15:00", evse_uid="E2"), "last_updated": "2026-01-14T16:06:00Z"})

    hours = [(name, f"{start:%H:%M}") for name, start in values.values_list("asset__external_id", "starts_at")]
    assert sorted(set(hours)) == [("E1", "14:00"), ("E1", "14:15"), *[("E2", f"14:{m}") for m in (15, 30, 45)]]
    assert values.filter(asset__external_id="E1", starts_at=at("14:15")).latest("revision").import_wh == 750
    assert set(OcpiEdge.objects.values_list("asset__external_id", "session_key")) == {
        ("E1", "nl*sta*s0"), ("E2", "nl*sta*s1"),
    }  # fmt: skip


def test_what_was_derived_where_it_was_goes_when_it_has_yet_to_begin_elsewhere(take):
    energy = [
        {"start_date_time": f"2026-01-14T{start}:00Z", "dimensions": [{"type": "ENERGY", "volume": 3}]}
        for start in ("14:05", "14:50")
    ]
    began = {"start_date_time": "2026-01-14T14:05:00Z", "charging_periods": energy}
    take(session(**began))
    assert (MeterInterval.objects.exists(), OcpiEdge.objects.exists()) == (True, True)

    take(at_e2(**began, status="PENDING"))

    assert not MeterInterval.objects.exists()
    assert not OcpiEdge.objects.exists()


def test_a_profile_that_was_for_the_other_evse_is_not_sent_or_is_cleared(platform, call, evses, group, clock, http):
    enrol(group, [evses["e1"].asset])
    call("PUT", S1, session())
    tell(evses["e1"].asset)
    call("PATCH", S1, {"evse_uid": "E2", "last_updated": "2026-01-14T16:06:00Z"})
    assert ProfileCommand.objects.get().status == Status.WITHDRAWN

    call("PATCH", S1, {"evse_uid": "E1", "last_updated": "2026-01-14T16:06:10Z"})
    send_commands(clock=clock, http=http)
    assert [one.method for one in platform.profiles()] == ["PUT"]
    OcpiConnection.objects.update(seconds_between_profiles=0)
    call("PATCH", S1, {"evse_uid": "E2", "last_updated": "2026-01-14T16:06:20Z"})
    send_commands(clock=clock, http=http)
    assert [one.method for one in platform.profiles()] == ["PUT", "DELETE"]


def test_it_is_told_what_counts_where_it_is(platform, call, evses, group, clock, http):
    enrol(group, [Asset.objects.get(external_id="E2")])
    call("PUT", S1, session())
    tell(evses["e2"].asset)
    assert not ProfileCommand.objects.exists()

    call("PATCH", S1, {"evse_uid": "E2", "last_updated": "2026-01-14T16:06:00Z"})

    send_commands(clock=clock, http=http)
    assert [one.method for one in platform.profiles()] == ["PUT"]


def test_one_that_cannot_be_recorded_stays_as_it_was(connection, take):
    take(session())

    taken = take_sessions(connection_id=connection.pk, documents=[at_e2(kwh=1e12)], now=NOW)

    assert [name for name, _ in taken.refused] == ["S1"]
    assert recorded() == [("S1", "E1", None)]
    assert OcpiSession.objects.get().evse.key == "e1"
