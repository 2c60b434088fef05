"""Setpoints as charging profiles: sent, answered twice, late, never, too often (mod_charging_profiles)."""

from datetime import timedelta

import pytest

from assets import operations
from assets.control.metered_results import judge_on_meter_values
from assets.models import Asset, OcpiConnection, OcpiParty, OcpiSession, OcpiToken, ProfileCommand, Setpoint
from assets.ocpi import results, tokens
from assets.ocpi.connections import open_connection
from assets.ocpi.places import take_locations
from assets.ocpi.results import look_after_silence
from assets.ocpi.sending import send_commands
from assets.ocpi.wire import authorization
from tests.field_side import NOW, at, enrol, make_partner
from tests.integration.ocpi.cpo_platform import enveloped, evse, location, session
from tests.integration.ocpi.profile_side import S1, callback_path, tell

Status = ProfileCommand.Status


def test_a_setpoint_reaches_the_session_as_one_bounded_profile(platform, asset, clock, http, call):
    setpoint = tell(asset, (4_140, 0))

    report = send_commands(clock=clock, http=http)

    assert (report.accepted, report.refused, report.postponed) == (1, 0, 0)
    (sent,) = platform.profiles()
    assert (sent.method, sent.path) == ("PUT", "/ocpi/2.2.1/chargingprofiles/S1")
    assert sent.body["charging_profile"] == {
        "start_date_time": "2026-01-14T16:15:00Z",
        "duration": 1800,
        "charging_rate_unit": "W",
        "charging_profile_period": [{"start_period": 0, "limit": 4140}, {"start_period": 900, "limit": 0}],
        "min_charging_rate": 4140,
    }
    assert len(sent.body["response_url"]) <= 255
    setpoint.refresh_from_db()
    assert setpoint.status == Setpoint.Status.PENDING
    assert call("POST", callback_path(platform), {"result": "ACCEPTED"}).json()["status_code"] == 1000
    setpoint.refresh_from_db()
    assert (setpoint.status, setpoint.result_reason) == (Setpoint.Status.ACCEPTED, "")
    assert ProfileCommand.objects.get().status == Status.DONE


def test_a_profile_is_routed_to_the_party_of_its_session(platform, asset, connection, group, clock, http, call):
    OcpiParty.objects.create(connection=connection, country_code="NL", party_id="UTR")
    take_locations(connection_id=connection.pk, documents=[location(evse("E2"), id="L2", party_id="UTR")], now=NOW)
    second = Asset.objects.get(external_id="E2")
    enrol(group, [second])
    call("PUT", "/2.2.1/sessions/NL/UTR/S2", session("S2", party_id="UTR", location_id="L2", evse_uid="E2"))
    tell(asset)
    tell(second, revision=2)

    send_commands(clock=clock, http=http)

    routed = [(one.path.rpartition("/")[2], one.headers["OCPI-to-party-id"]) for one in platform.profiles()]
    assert sorted(routed) == [("S1", "STA"), ("S2", "UTR")]


def test_dispatch_does_not_know_which_interface_a_partner_speaks(platform, asset, partner):
    setpoint = tell(asset)

    assert setpoint.batch.message is None
    assert ProfileCommand.objects.get().setpoint == setpoint
    feed = operations.partner_named(partner.name).setpoint_batches.get()
    assert feed.setpoints.get() == setpoint


def test_a_later_setpoint_keeps_what_still_holds_because_a_profile_replaces_the_one_before(
    platform, asset, clock, http
):
    tell(asset, (4_140, 4_140), "16:15", "16:45")
    send_commands(clock=clock, http=http)
    OcpiConnection.objects.update(seconds_between_profiles=0)

    tell(asset, (0, 0), "16:30", "17:00", revision=2)
    send_commands(clock=clock, http=http)

    assert platform.profiles()[-1].body["charging_profile"]["charging_profile_period"] == [
        {"start_period": 0, "limit": 4140},
        {"start_period": 900, "limit": 0},
    ]
    assert platform.profiles()[-1].body["charging_profile"]["duration"] == 2700


def test_a_release_clears_the_profile(platform, asset, clock, http, call):
    tell(asset)
    send_commands(clock=clock, http=http)
    OcpiConnection.objects.update(seconds_between_profiles=0)
    released = tell(asset, (11_040, 11_040), revision=2)

    send_commands(clock=clock, http=http)

    assert platform.profiles()[-1].method == "DELETE"
    call("POST", callback_path(platform), {"result": "ACCEPTED"})
    released.refresh_from_db()
    assert released.status == Setpoint.Status.ACCEPTED


def test_profiles_for_one_session_keep_their_distance_and_only_the_newest_is_sent(platform, asset, clock, http):
    tell(asset, (4_140, 4_140))
    send_commands(clock=clock, http=http)
    tell(asset, (0, 0), revision=2)
    tell(asset, (6_900, 6_900), revision=3)
    assert send_commands(clock=clock, http=http).accepted == 0

    ProfileCommand.objects.filter(status=Status.WAITING).update(next_attempt_at=NOW)
    send_commands(clock=clock, http=http)

    limits = [one.body["charging_profile"]["charging_profile_period"][0]["limit"] for one in platform.profiles()]
    assert limits == [4140, 6900]
    statuses = list(ProfileCommand.objects.order_by("id").values_list("status", flat=True))
    assert statuses == [Status.SENT, Status.SUPERSEDED, Status.SENT]
    assert ProfileCommand.objects.latest("id").created_at == NOW


@pytest.mark.parametrize("result", ["REJECTED", "NOT_SUPPORTED", "UNKNOWN_SESSION"])
def test_a_refusal_of_the_partner_rejects_the_setpoint(platform, asset, clock, http, result):
    platform.answer_profile = lambda _request: (200, enveloped({"result": result, "timeout": 30}))
    setpoint = tell(asset)

    assert send_commands(clock=clock, http=http).refused == 1

    setpoint.refresh_from_db()
    assert (setpoint.status, setpoint.result_reason) == (Setpoint.Status.REJECTED, f"The partner answered {result}.")


@pytest.mark.parametrize(
    ("status", "document", "outcome"),
    [
        pytest.param(200, enveloped({"result": "TOO_OFTEN", "timeout": 30}), "postponed", id="too often"),
        pytest.param(503, {}, "postponed", id="HTTP 503"),
        pytest.param(200, enveloped(None, 3000), "postponed", id="status 3000"),
        pytest.param(200, enveloped(None, 2001), "refused", id="status 2001"),
        pytest.param(422, {"detail": "min_charge_rate"}, "refused", id="a peer's own error"),
        pytest.param(200, enveloped(None, 2001) | {"status_message": "\0\ud800"}, "refused", id="no text for a column"),
        pytest.param(200, enveloped(None, float("inf")), "refused", id="a status without end"),
        pytest.param(200, enveloped({"result": "MAYBE", "timeout": 30}), "refused", id="unknown result"),
        pytest.param(200, enveloped([{"result": "ACCEPTED", "timeout": 30}]), "accepted", id="wrapped in a list"),
        pytest.param(200, enveloped({"result": "ACCEPTED", "timeout": "soon"}), "refused", id="timeout no number"),
    ],
)
def test_every_answer_means_something(platform, asset, clock, http, status, document, outcome):
    platform.answer_profile = lambda _request: (status, document)
    setpoint = tell(asset)

    report = send_commands(clock=clock, http=http)

    assert getattr(report, outcome) == 1
    setpoint.refresh_from_db()
    assert (setpoint.status == Setpoint.Status.REJECTED) is (outcome == "refused")
    command = ProfileCommand.objects.get()
    assert (command.next_attempt_at > NOW) is (outcome == "postponed")


def test_a_platform_that_is_away_gets_the_profile_when_it_is_back(platform, asset, clock, http):
    tell(asset)
    away, platform.answer_profile = platform.answer_profile, lambda _request: (502, {})
    send_commands(clock=clock, http=http)
    platform.answer_profile = away
    assert send_commands(clock=clock, http=http).accepted == 0
    ProfileCommand.objects.update(next_attempt_at=NOW)

    assert send_commands(clock=clock, http=http).accepted == 1
    assert ProfileCommand.objects.get().attempts == 2


def test_the_same_is_tried_again_at_growing_distance(platform, asset, clock, http):
    tell(asset)
    platform.answer_profile = lambda _request: (503, {})
    waits_s = []
    for _ in range(7):
        ProfileCommand.objects.update(next_attempt_at=NOW)
        send_commands(clock=clock, http=http)
        waits_s.append((ProfileCommand.objects.get().next_attempt_at - NOW).total_seconds())

    for wait_s, full_s in zip(waits_s, [2, 4, 8, 16, 32, 64, 120], strict=True):
        assert full_s / 2 <= wait_s <= full_s


def test_profiles_of_a_session_are_a_minute_apart_also_after_too_often(platform, asset, clock, http):
    tell(asset)
    platform.answer_profile = lambda _request: (200, enveloped({"result": "TOO_OFTEN", "timeout": 30}))
    send_commands(clock=clock, http=http)
    assert ProfileCommand.objects.get().next_attempt_at == NOW + timedelta(seconds=60)

    ProfileCommand.objects.update(status=Status.SENT, sent_at=NOW)
    tell(asset, (0, 0), revision=2)
    assert ProfileCommand.objects.latest("id").next_attempt_at == NOW + timedelta(seconds=60)


def test_a_profile_that_is_over_is_not_sent_any_more(platform, asset, clock, http):
    tell(asset)
    ProfileCommand.objects.update(deadline_at=NOW - timedelta(seconds=1))

    assert send_commands(clock=clock, http=http).given_up == 1
    assert platform.profiles() == []


def test_the_stations_answer_comes_twice_and_the_first_one_counts(platform, asset, clock, http, call):
    setpoint = tell(asset)
    send_commands(clock=clock, http=http)

    first = call("POST", callback_path(platform), {"result": "REJECTED"})
    second = call("POST", callback_path(platform), {"result": "ACCEPTED"})

    assert [first.status_code, second.status_code] == [200, 200]
    setpoint.refresh_from_db()
    assert (setpoint.status, setpoint.result_reason) == (Setpoint.Status.REJECTED, "The station answered REJECTED.")


def test_the_stations_answer_overtakes_the_partners_own(transactional_db, live_server, platform, asset, clock, http):
    """The platform calls us back before it answers: a lock held while sending would stop both."""
    connection = OcpiConnection.objects.get()
    token = tokens.issue(connection=connection, purpose=OcpiToken.Purpose.OPERATION, now=NOW)
    answers = []
    ours = live_server.url.replace("localhost", "127.0.0.1")

    def answer(request):
        url = request.body["response_url"].replace("https://aggregator.example", ours)
        headers = {"Authorization": authorization(token), "Content-Type": "application/json"}
        answers.append(
            http.request(method="POST", url=url, headers=headers, body=b'{"result": "ACCEPTED"}').status_code
        )
        return 200, enveloped({"result": "ACCEPTED", "timeout": 30})

    platform.answer_profile = answer
    setpoint = tell(asset)

    send_commands(clock=clock, http=http)

    assert answers == [200]
    setpoint.refresh_from_db()
    assert setpoint.status == Setpoint.Status.ACCEPTED
    assert ProfileCommand.objects.get().status == Status.DONE


def test_an_answer_nobody_waits_for_is_404_and_one_of_another_partner_too(platform, asset, clock, http, call, as_token):
    tell(asset)
    send_commands(clock=clock, http=http)
    other, _ = open_connection(partner=make_partner("Other"), now=NOW)
    foreign = as_token(tokens.issue(connection=other, purpose=OcpiToken.Purpose.OPERATION, now=NOW))

    unknown = call("POST", f"/2.2.1/chargingprofiles/results/{'0' * 32}", {"result": "ACCEPTED"})

    assert unknown.status_code == 404
    assert foreign("POST", callback_path(platform), {"result": "ACCEPTED"}).status_code == 404
    assert call("POST", callback_path(platform), {"result": "YES"}).json()["status_code"] == 2001
    assert ProfileCommand.objects.get().answered_at is None


def _silence(platform, asset, clock, http):
    """A profile whose station's answer does not come; we ask what is in force."""
    setpoint = tell(asset, start="16:00", end="16:30")
    send_commands(clock=clock, http=http)
    OcpiConnection.objects.update(seconds_between_profiles=0)
    assert look_after_silence(now=NOW + timedelta(seconds=31)) == 1
    ProfileCommand.objects.filter(kind="get").update(next_attempt_at=NOW)
    send_commands(clock=clock, http=http)
    return setpoint


def active(limit):
    return {
        "start_date_time": "2026-01-14T16:05:00Z",
        "charging_profile": {
            "charging_rate_unit": "W",
            "charging_profile_period": [{"start_period": 0, "limit": limit}],
        },
    }


def test_a_station_that_never_answered_is_asked_and_keeps_its_profile(platform, asset, clock, http, call):
    setpoint = _silence(platform, asset, clock, http)

    asked = platform.profiles()[-1]
    assert (asked.method, asked.query["duration"]) == ("GET", "3600")
    call("POST", callback_path(platform), {"result": "ACCEPTED", "profile": active(4140)})

    setpoint.refresh_from_db()
    assert setpoint.status == Setpoint.Status.ACCEPTED
    assert OcpiSession.objects.get().active_profile == active(4140)


def test_a_partner_whose_silence_cannot_be_looked_after_is_told_of_and_tried_again(
    platform, asset, clock, http, monkeypatch, caplog
):
    def broken(_commands, **_arguments):
        raise RuntimeError("of ours")

    tell(asset)
    send_commands(clock=clock, http=http)
    late = NOW + timedelta(seconds=31)
    with monkeypatch.context() as patched:
        patched.setattr(results, "store", broken)
        assert look_after_silence(now=late) == 0

    assert f"partner {asset.partner_id} that did not answer" in caplog.text
    assert look_after_silence(now=late) == 1


@pytest.mark.parametrize(
    "answer", [{"result": "ACCEPTED"}, {"result": "ACCEPTED", "profile": active(11_000)}], ids=["none", "another"]
)
def test_a_station_that_lost_its_profile_gets_it_again_but_not_for_ever(platform, asset, clock, http, call, answer):
    _silence(platform, asset, clock, http)
    call("POST", callback_path(platform), answer)

    assert send_commands(clock=clock, http=http).accepted == 1

    assert platform.profiles()[-1].method == "PUT"
    for _ in range(3):
        call("POST", callback_path(platform), {"result": "ACCEPTED"})
        call("PUT", "/2.2.1/chargingprofiles/S1", active(11_000))
        send_commands(clock=clock, http=http)
    assert [one.method for one in platform.profiles()] == ["PUT", "GET", "PUT", "PUT"]


def test_an_active_profile_told_unasked_shows_a_limit_that_was_lost(platform, asset, clock, http, call):
    tell(asset, start="16:00", end="16:30")
    early = call("PUT", "/2.2.1/chargingprofiles/S9", active(0))
    send_commands(clock=clock, http=http)
    call("POST", callback_path(platform), {"result": "ACCEPTED"})
    OcpiConnection.objects.update(seconds_between_profiles=0)

    kept = call("PUT", "/2.2.1/chargingprofiles/s1", active(4140))
    assert send_commands(clock=clock, http=http).accepted == 0
    lost = call("PUT", "/2.2.1/chargingprofiles/S1", active(11_040))

    assert send_commands(clock=clock, http=http).accepted == 1
    assert [early.status_code, kept.status_code, lost.status_code] == [404, 200, 200]


def test_a_car_that_comes_during_an_order_is_told_at_once(platform, evse_e1, group, clock, http, call):
    enrol(group, [evse_e1.asset])
    setpoint = tell(evse_e1.asset)
    assert setpoint.result_reason == "No car is there; it is told when one comes."
    assert send_commands(clock=clock, http=http).accepted == 0

    call("PUT", S1, session())

    assert send_commands(clock=clock, http=http).accepted == 1
    assert ProfileCommand.objects.get().setpoint == setpoint


@pytest.fixture
def next_car(call):
    """Let the car at E1 leave and another come; return what the other is told."""

    def comes():
        over = {"status": "COMPLETED", "end_date_time": "2026-01-14T16:06:00Z", "last_updated": "2026-01-14T16:06:00Z"}
        call("PUT", S1, session(**over))
        begun = {"start_date_time": "2026-01-14T16:06:30Z", "last_updated": "2026-01-14T16:06:30Z"}
        call("PUT", S1.replace("S1", "S2"), session("S2", **begun))
        return ProfileCommand.objects.filter(session__session_id="S2").last()

    return comes


def test_what_a_station_refused_is_not_told_to_the_next_car(platform, asset, clock, http, next_car):
    OcpiConnection.objects.update(seconds_between_profiles=0)
    tell(asset, (0, 0, 0), "16:15", "17:00")
    send_commands(clock=clock, http=http)
    platform.answer_profile = lambda _request: (200, enveloped({"result": "REJECTED", "timeout": 30}))
    refused = tell(asset, (4_140, 4_140), "16:30", "17:00", revision=2)
    send_commands(clock=clock, http=http)

    told = next_car()

    profile = told.profile
    assert (profile["start_date_time"], profile["duration"]) == ("2026-01-14T16:15:00Z", 900)
    assert told.setpoint != refused


def test_nothing_is_told_to_the_next_car_where_all_was_refused_unless_it_is_meant_by_a_later_setpoint(
    platform, asset, clock, http, next_car
):
    platform.answer_profile = lambda _request: (200, enveloped({"result": "REJECTED", "timeout": 30}))
    tell(asset)
    send_commands(clock=clock, http=http)
    assert next_car() is None

    later = tell(asset, (0, 0), revision=2)

    assert ProfileCommand.objects.get(status=Status.WAITING).setpoint == later


def test_a_car_that_comes_when_nothing_is_ordered_is_left_alone(platform, asset, clock, http):
    assert not ProfileCommand.objects.exists()


def test_an_evse_without_profiles_is_rejected_without_asking(platform, connection, group, clock, http, call):
    plain = evse(capabilities=["RFID_READER"])
    take_locations(connection_id=connection.pk, documents=[location(plain)], now=NOW)
    enrol(group, [Asset.objects.get()])
    call("PUT", S1, session())

    setpoint = tell(Asset.objects.get())

    assert (setpoint.status, setpoint.result_at) == (Setpoint.Status.REJECTED, NOW)
    assert "CHARGING_PROFILE_CAPABLE" in setpoint.result_reason
    assert not ProfileCommand.objects.exists()


def test_ampere_per_phase_where_that_was_agreed(platform, asset, clock, http):
    OcpiConnection.objects.update(rate_unit="A")
    tell(asset, (7_000, 3_000))

    send_commands(clock=clock, http=http)

    profile = platform.profiles()[0].body["charging_profile"]
    assert (profile["charging_rate_unit"], profile["min_charging_rate"]) == ("A", 6.0)
    # 7000 W is 10.14 A on each of three phases; 3000 W is under 6 A, and this car may not be able to pause.
    assert [period["limit"] for period in profile["charging_profile_period"]] == [10.1, 6.0]


@pytest.mark.parametrize(
    ("import_wh", "status", "reason"),
    [((1_000, 1_080), "followed", ""), ((1_000, 2_000), "not_followed", "Took 3860 W more than asked.")],
)
def test_an_accepted_setpoint_is_judged_on_the_meter(platform, asset, clock, http, call, import_wh, status, reason):
    setpoint = tell(asset, (4_140, 4_140, 4_140), "16:15", "17:00")
    send_commands(clock=clock, http=http)
    call("POST", callback_path(platform), {"result": "ACCEPTED"})
    values = [
        {"asset": "E1", "starts_at": at(start), "import_wh": energy}
        for start, energy in zip(("16:15", "16:30"), import_wh, strict=True)
    ]
    later = at("17:05")
    operations.store_meter_values(partner_id=asset.partner_id, rows=values[:1], now=later)
    assert judge_on_meter_values(now=later) == 0

    operations.store_meter_values(partner_id=asset.partner_id, rows=values[1:], now=later)

    assert judge_on_meter_values(now=later) == 1
    setpoint.refresh_from_db()
    assert (setpoint.status, setpoint.result_at, setpoint.result_reason) == (status, at("16:45"), reason)
    assert judge_on_meter_values(now=later) == 0


def test_what_lapsed_before_two_quarter_hours_were_over_is_judged_on_the_one_it_ruled(asset):
    setpoint = tell(asset, (4_140, 4_140, 4_140), "16:15", "17:00")
    lapses = {"ttl_s": 1_800, "status": Setpoint.Status.ACCEPTED, "result_at": at("16:20")}
    Setpoint.objects.filter(pk=setpoint.pk).update(**lapses)
    rows = [
        {"asset": "E1", "starts_at": at("16:30"), "import_wh": 1_000},
        {"asset": "E1", "starts_at": at("16:45"), "import_wh": 2_700},  # by itself again
    ]
    operations.store_meter_values(partner_id=asset.partner_id, rows=rows, now=at("17:05"))

    assert judge_on_meter_values(now=at("17:05")) == 1

    setpoint.refresh_from_db()
    assert (setpoint.status, setpoint.result_at) == (Setpoint.Status.FOLLOWED, at("16:45"))
