"""Our side against the simulated CPO's platform and its faults: two sides, real HTTP, nothing scripted."""

import math
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from aggregator.core.http import HttpClient
from aggregator.core.interval import Interval
from assets.control.operations import PlannedSetpoint, send_setpoints
from assets.models import Asset, ChargingSession, OcpiConnection, OcpiSession, ProfileCommand, Setpoint
from assets.ocpi.connections import open_connection
from assets.ocpi.results import look_after_silence
from assets.ocpi.sending import SendReport, send_commands
from assets.simulator.http_server import SimulatorServer
from assets.simulator.inbox import Inbox
from assets.simulator.ocpi import store
from assets.simulator.ocpi.access import OcpiAccess
from assets.simulator.ocpi.door import door_of
from assets.simulator.ocpi.faults import OcpiFaults
from assets.simulator.ocpi.objects import LOCATIONS_SINCE, Party, location
from assets.simulator.ocpi.platform import OcpiPlatform
from assets.simulator.portfolio import build_portfolio
from assets.simulator.setpoints import Schedule
from tests.field_side import GROUP_EAN, NOW, at, enrol, make_partner
from tests.integration.ocpi.cpo_platform import session
from tests.integration.ocpi.turns import pull_due

pytestmark = pytest.mark.django_db(transaction=True)
Status = ProfileCommand.Status
PATIENCE_SECONDS = 60


class HangsUp(HttpClient):
    """Closes each connection, so that no thread of the service keeps one to the database when the test is over."""

    def request(self, *, headers=None, **more):
        return super().request(headers={**(headers or {}), "Connection": "close"}, **more)


class Both:
    """The simulated platform with one car at one of its chargers, registered with us, and our own workers by hand."""

    def __init__(self, *, platform, charger, clock, http) -> None:
        self.platform, self.charger, self.clock, self.http = platform, charger, clock, http
        self.session_id = f"{charger.external_id}-s1"

    def tell(self, power_w, *, start="16:15", revision=1, **ramp):
        planned = PlannedSetpoint(
            asset_id=Asset.objects.get(external_id=self.charger.external_id).pk,
            starts_at=at(start),
            ends_at=at(start) + timedelta(minutes=15 * len(power_w)),
            power_w=list(power_w),
            **ramp,
        )
        [batch] = send_setpoints(
            now=self.clock.now(),
            aggregation_ean=GROUP_EAN,
            order_reference="order-1",
            reason="",
            revision=revision,
            plan=[planned],
            deadline_at=at("20:00"),
        )
        return batch.setpoints.get()

    def send(self):
        return send_commands(clock=self.clock, http=self.http)

    def suffer(self, **faults):
        """Let the platform have these faults from now on, and no others."""
        self.platform._access = replace(self.platform._access, faults=OcpiFaults(**faults))

    def obeyed_kw(self, clock):
        """Return what the physics of the station is told at a moment, NaN when it charges freely."""
        schedule = Schedule(period=Interval(at("16:00"), at("20:00")), positions={self.charger.external_id: 0})
        for received in self.platform._inbox.all_batches():
            schedule.apply(received.batch.batch_id, received.accepted)
        return float(schedule.at(int(at(clock).timestamp()))[0])

    def in_force(self):
        """Return what the station keeps for the session, None for nothing."""
        kept = self.platform._profiles.get(self.session_id)
        return kept and list(kept.power_w)


def wait_for(is_so):
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def is_answered(setpoint):
    setpoint.refresh_from_db()
    return setpoint.status != Setpoint.Status.PENDING


@pytest.fixture
def both(live_server, settings, clock, http, group, tmp_path, request):
    """Its parameter: the faults of the platform."""
    settings.PUBLIC_URL = live_server.url.replace("localhost", "127.0.0.1")
    simulated = build_portfolio(seed=1, scale=0.02).partners[0]
    charger = next(one for one in simulated.assets if one.kind == "charger" and one.pausing == "can_pause")
    _, token_a = open_connection(partner=make_partner("Stadsladen"), now=NOW)
    inbox = Inbox(directory=tmp_path / "inbox", partners=(simulated,), now=clock.now)
    server = SimulatorServer(address=("127.0.0.1", 0), inbox=inbox, secrets={}, pages={}, doors={})
    url = f"http://127.0.0.1:{server.server_port}/ocpi/{simulated.key}"
    stop = threading.Event()
    platform = OcpiPlatform(
        key=simulated.key,
        url=url,
        access=OcpiAccess(
            versions_url=f"{settings.PUBLIC_URL}/ocpi/versions",
            registration_token=token_a,
            party=Party("NL", "STA"),
            pushes=True,
            faults=OcpiFaults(**getattr(request, "param", {})),
        ),
        http=HangsUp(allowed_private_hosts=frozenset({"127.0.0.1"})),
        clock=clock,
        stop=stop,
        inbox=inbox,
        assets={one.external_id: one for one in simulated.assets},
        memory=tmp_path / "platform.json",
    )
    server.doors = {simulated.key: door_of(platform, clock)}
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    platform.locations.put([(charger.external_id, LOCATIONS_SINCE, lambda: location(platform.party, charger))])
    platform.register()
    pull_due(clock=clock, http=http)
    enrol(group, [Asset.objects.get(external_id=charger.external_id)])
    sides = Both(platform=platform, charger=charger, clock=clock, http=http)
    platform.begin(sides.session_id, charger.external_id)
    platform.push(session(sides.session_id, location_id=charger.external_id, evse_uid=charger.external_id))
    OcpiConnection.objects.update(seconds_between_profiles=0)
    yield sides
    stop.set()
    platform._callbacks.shutdown()
    server.shutdown()
    server.server_close()
    assert platform.refused == 0


def test_a_profile_is_set_kept_to_its_end_and_cleared(both):
    setpoint = both.tell([4_140, 0])

    assert both.send().accepted == 1

    wait_for(lambda: is_answered(setpoint))
    assert (setpoint.status, both.in_force()) == (Setpoint.Status.ACCEPTED, [4_140, 0])
    assert both.platform._profiles[both.session_id].ends_at == at("16:45").timestamp()
    released = both.tell([both.charger.max_import_w] * 2, revision=2)
    both.send()
    wait_for(lambda: is_answered(released))
    assert both.in_force() is None


def test_a_profile_that_begins_early_and_ends_late_does_so_at_the_station(both):
    setpoint = both.tell([4_140, 0], start_early_s=120, end_late_s=60)
    both.send()

    wait_for(lambda: is_answered(setpoint))
    kept = both.platform._profiles[both.session_id]
    assert (kept.starts_at, kept.power_w, kept.start_early_s, kept.end_late_s) == (
        at("16:15").timestamp(),
        (4_140, 0),
        120,
        60,
    )


@pytest.mark.parametrize("both", [{"callback_twice_share": 1.0}], ids=["faulty"], indirect=True)
def test_a_callback_that_comes_twice_counts_once(both):
    setpoint = both.tell([0])
    both.send()

    wait_for(lambda: is_answered(setpoint))
    both.platform._callbacks.shutdown()  # both came

    assert ProfileCommand.objects.get().status == Status.DONE
    assert setpoint.status == Setpoint.Status.ACCEPTED


@pytest.mark.parametrize("both", [{"callback_never_share": 1.0}], ids=["faulty"], indirect=True)
def test_a_station_that_never_answers_is_asked_and_found_to_keep_its_profile(both):
    setpoint = both.tell([0])
    both.send()
    assert look_after_silence(now=NOW + timedelta(seconds=121)) == 1
    assert ProfileCommand.objects.get(kind="set").status == Status.SILENT
    ProfileCommand.objects.filter(kind="get").update(next_attempt_at=NOW)

    both.send()

    wait_for(lambda: OcpiSession.objects.get().active_profile is not None)
    assert ProfileCommand.objects.get(kind="get").status == Status.DONE
    period = OcpiSession.objects.get().active_profile["charging_profile"]["charging_profile_period"][0]
    assert period["limit"] == 0
    setpoint.refresh_from_db()
    # It starts at 16:15 and it is 16:07: nothing is broken yet, so it counts as kept.
    assert setpoint.status == Setpoint.Status.ACCEPTED


class Wait(threading.Event):
    """What is waited for is over when it is set, however long that takes by the machine's clock."""

    seconds = None

    def wait(self, timeout=None):
        self.seconds = timeout
        assert super().wait(PATIENCE_SECONDS)
        return False  # nobody stops the platform meanwhile


@pytest.mark.parametrize(
    "both", [{"callback_late_share": 1.0, "callback_late_seconds": 600}], ids=["faulty"], indirect=True
)
def test_a_callback_that_is_late_is_still_taken(both):
    setpoint = both.tell([0])
    ten_minutes = both.platform._stop = Wait()
    both.clock.set_speed(1)
    both.send()
    both.clock.set_speed(0)
    assert look_after_silence(now=both.clock.now() + timedelta(seconds=121)) == 1

    ten_minutes.set()
    wait_for(lambda: is_answered(setpoint))

    assert ten_minutes.seconds == 600
    assert ProfileCommand.objects.get(kind="set").status == Status.DONE
    assert setpoint.status == Setpoint.Status.ACCEPTED


@pytest.mark.parametrize("both", [{"too_often_seconds": 300}], ids=["faulty"], indirect=True)
def test_a_station_that_is_told_too_often_is_told_again_later(both):
    first = both.tell([4_140])
    both.send()
    wait_for(lambda: is_answered(first))
    second = both.tell([0], revision=2)

    report = both.send()

    assert (report.postponed, both.in_force()) == (1, [4_140])
    second.refresh_from_db()
    assert second.status == Setpoint.Status.PENDING
    both.platform._set_at[both.session_id] -= 300
    ProfileCommand.objects.filter(status=Status.WAITING).update(next_attempt_at=NOW)
    assert both.send().accepted == 1
    wait_for(lambda: is_answered(second))
    assert both.in_force() == [0]


@pytest.mark.parametrize("both", [{"rejected_share": 1.0}], ids=["faulty"], indirect=True)
def test_a_platform_that_refuses_leaves_the_setpoint_rejected(both):
    setpoint = both.tell([0])

    assert both.send().refused == 1

    setpoint.refresh_from_db()
    assert (setpoint.status, setpoint.result_reason) == (
        Setpoint.Status.REJECTED,
        "The partner answered REJECTED.",
    )


@pytest.mark.parametrize(
    "both", [{"loses_limit_share": 1.0, "loses_limit_after_seconds": 60}], ids=["faulty"], indirect=True
)
def test_a_station_that_loses_its_profile_on_reconnecting_is_told_again_up_to_three_times(both):
    setpoint = both.tell([0, 0], start="16:00")
    both.send()
    wait_for(lambda: is_answered(setpoint))

    for times_set in (2, 3):
        both.platform.reconnect_stations(int(NOW.timestamp()) + 60)
        wait_for(lambda: ProfileCommand.objects.filter(status=Status.WAITING).exists())  # it told that it is free
        assert both.in_force() is None
        both.send()
        wait_for(lambda: ProfileCommand.objects.filter(status=Status.DONE).count() == times_set)  # noqa: B023 - used at once
        assert both.in_force() == [0, 0]
    OcpiSession.objects.update(active_profile=None)
    both.platform.reconnect_stations(int(NOW.timestamp()) + 60)
    wait_for(lambda: OcpiSession.objects.get().active_profile is not None)

    assert both.send().accepted == 0
    assert ProfileCommand.objects.count() == 3


def test_a_station_that_drops_offline_keeps_what_it_heard_until_its_end_and_goes_free_by_itself(both):
    heard = both.tell([4_140, 0])
    both.send()
    wait_for(lambda: is_answered(heard))
    both.suffer(offline_share=1.0)
    missed = both.tell([0, 0, 0, 0], revision=2)

    assert both.send().accepted == 1  # by the platform, which only then finds the station gone

    wait_for(lambda: is_answered(missed))
    assert (missed.status, missed.result_reason) == (Setpoint.Status.REJECTED, "The station answered REJECTED.")
    assert both.send() == SendReport()  # nothing is repeated: its place is taken by others
    assert both.in_force() == [4_140, 0]
    assert [both.obeyed_kw(clock) for clock in ("16:15", "16:44")] == [4.14, 0]
    assert math.isnan(both.obeyed_kw("16:45"))  # nobody told it so


def test_a_station_that_is_back_is_told_once_what_holds_now(both):
    both.suffer(offline_share=1.0)
    missed = both.tell([0])
    both.send()
    wait_for(lambda: is_answered(missed))
    assert (missed.status, both.in_force()) == (Setpoint.Status.REJECTED, None)
    both.suffer()

    again = both.tell([4_140], revision=2)

    assert both.send().accepted == 1
    wait_for(lambda: is_answered(again))
    assert (again.status, both.in_force()) == (Setpoint.Status.ACCEPTED, [4_140])
    assert list(ProfileCommand.objects.order_by("id").values_list("kind", "status")) == [
        ("set", Status.REFUSED),
        ("set", Status.DONE),
    ]


def test_a_session_that_ends_takes_what_waits_for_it_along(both):
    setpoint = both.tell([0])
    over = session(
        both.session_id,
        location_id=both.charger.external_id,
        evse_uid=both.charger.external_id,
        status="COMPLETED",
        end_date_time="2026-01-14T16:06:30Z",
        last_updated="2026-01-14T16:06:30Z",
    )
    both.platform.end(both.session_id, int(NOW.timestamp()))
    both.platform.push(over)

    assert both.send().accepted == 0

    setpoint.refresh_from_db()
    assert ProfileCommand.objects.get().status == Status.WITHDRAWN
    assert setpoint.result_reason == "The session ended before it was told."
    later = f"{both.charger.external_id}-s2"
    both.platform.begin(later, both.charger.external_id)
    both.platform.push(
        session(
            later,
            location_id=both.charger.external_id,
            evse_uid=both.charger.external_id,
            start_date_time="2026-01-14T16:06:45Z",
            last_updated="2026-01-14T16:06:45Z",
        )
    )
    assert both.send().accepted == 1  # the next car is told what is left
    wait_for(lambda: is_answered(setpoint))


def test_a_session_whose_end_was_not_told_is_unknown_to_the_platform_and_ends_by_fetching(both):
    setpoint = both.tell([0])
    ended_at = "2026-01-14T16:06:30Z"
    over = session(
        both.session_id,
        location_id=both.charger.external_id,
        evse_uid=both.charger.external_id,
        status="COMPLETED",
        end_date_time=ended_at,
        last_updated=ended_at,
    )
    both.platform.end(both.session_id, int(NOW.timestamp()))
    both.platform.sessions.put([(both.session_id, ended_at, lambda: over)])
    assert pull_due(clock=both.clock, http=both.http) == 0  # it is not their turn for another quarter hour

    assert both.send().refused == 1

    setpoint.refresh_from_db()
    assert setpoint.result_reason == "The partner answered UNKNOWN_SESSION."
    assert pull_due(clock=both.clock, http=both.http) == 1
    assert OcpiSession.objects.get().status == "COMPLETED"
    assert ChargingSession.objects.get().plug_out_at is not None
    both.tell([0], revision=2)
    assert both.send() == SendReport()  # nobody is asked again about a car that left
    assert pull_due(clock=both.clock, http=both.http) == 0


def test_a_platform_that_goes_on_listing_what_it_does_not_know_is_fetched_from_once(both):
    both.platform._asset_of.clear()  # a station it lost; the session stays in its list
    both.tell([0])
    assert both.send().refused == 1
    assert pull_due(clock=both.clock, http=both.http) == 1
    assert OcpiSession.objects.get().status == "ACTIVE"

    both.tell([4_140], revision=2)

    assert both.send().refused == 1
    assert pull_due(clock=both.clock, http=both.http) == 0


def test_a_session_behind_one_that_changes_while_the_list_is_fetched_is_not_missed(both, monkeypatch):
    monkeypatch.setattr(store, "LARGEST_PAGE", 1)
    names = ["S1", "S2", "S3", "S4"]

    def put(name, told_at):
        began = {"start_date_time": f"2026-01-14T{10 + names.index(name)}:00:00Z", "last_updated": told_at}
        ended = {"end_date_time": f"2026-01-14T{10 + names.index(name)}:30:00Z", "status": "COMPLETED"}
        place = {"location_id": both.charger.external_id, "evse_uid": both.charger.external_id}
        both.platform.sessions.put([(name, told_at, lambda: session(name, **began, **ended, **place))])

    class Changing:
        """Lets the first session change once the second one was fetched, which moves it to the end of the list."""

        pages = 0

        def request(self, **request):
            answer = both.http.request(**request)
            self.pages += "/sessions?" in request["url"]
            if self.pages == 2:
                put("S1", "2026-01-14T16:06:59Z")
            return answer

    for name, hour in zip(names, range(10, 14), strict=True):
        put(name, f"2026-01-14T{hour}:30:00Z")
    OcpiConnection.objects.update(pulled_at=None)

    assert pull_due(clock=both.clock, http=Changing()) == 1

    fetched = ChargingSession.objects.exclude(external_id=both.session_id)
    assert sorted(fetched.values_list("external_id", flat=True)) == names
