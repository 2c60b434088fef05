"""Lists that take longer than a turn, or change while they are fetched (transport_and_format, paginated response)."""

import contextlib
from datetime import timedelta

import pytest

from aggregator.core.clock import VirtualClock
from aggregator.core.http import RequestFailed
from assets.models import Asset, ChargingSession, OcpiConnection, OcpiParty
from assets.ocpi.places import take_locations
from assets.ocpi.wire import text_of
from tests.field_side import NOW, at
from tests.integration.ocpi.cpo_platform import enveloped, evse, location, session
from tests.integration.ocpi.turns import pull_due

TURN_IS_OVER = RequestFailed("Its turn is over.")


class Ends:
    """Sends so many requests, and then the turn ends, one way or the other."""

    def __init__(self, http, after, by) -> None:
        self.http, self.left, self.by = http, after, by

    def request(self, **request):
        if not self.left:
            raise self.by
        self.left -= 1
        return self.http.request(**request)


@pytest.fixture
def turn(platform, connection, clock, http):
    """Return how to have a turn that ends after so many requests; it gives the offset of each page it asked for."""

    def have(module, *, after=-1, by=TURN_IS_OVER):
        OcpiConnection.objects.update(pulled_at=None)
        platform.received.clear()
        with contextlib.suppress(SystemExit):
            pull_due(clock=clock, http=Ends(http, after, by))
        connection.refresh_from_db()
        return [one.query.get("offset") for one in platform.received if one.path.endswith(f"/{module}")]

    return have


@pytest.fixture
def told(platform, connection):
    """The names of the sessions of today, one to a page, of which none was fetched; their EVSE is known."""
    take_locations(connection_id=connection.pk, documents=[location()], now=NOW)
    OcpiConnection.objects.update(sessions_until=at("00:30"))
    platform.sessions = [over(f"S{hour}", at(f"{hour:02}:30")) for hour in range(1, 6)]
    platform.page_size = 1
    return [one["id"] for one in platform.sessions]


def over(name, last_updated, **changes):
    began, ended = text_of(last_updated - timedelta(minutes=30)), text_of(last_updated)
    times = {"start_date_time": began, "end_date_time": ended, "last_updated": ended}
    return session(name, **times, status="COMPLETED", **changes)


def fetched():
    return sorted(ChargingSession.objects.values_list("external_id", flat=True))


@pytest.mark.parametrize("by", [TURN_IS_OVER, SystemExit("killed")])
def test_a_long_list_of_locations_goes_on_where_a_turn_ended_or_its_process_died(platform, turn, connection, by):
    platform.locations = [location(evse(f"E{number}"), id=f"L{number}") for number in range(5)]
    platform.page_size = 1

    assert turn("locations", after=2, by=by) == [None, "1"]
    assert turn("locations", after=2, by=by) == ["2", "3"]
    assert turn("locations") == ["4"]

    assert Asset.objects.count() == 5
    assert connection.locations_until == at("12:00")
    assert turn("locations") == [None, "1", "2", "3", "4"]  # what may have shown late


@pytest.mark.parametrize("by", [TURN_IS_OVER, SystemExit("killed")])
def test_a_long_list_of_sessions_goes_on_where_a_turn_ended_or_its_process_died(told, turn, connection, by):
    assert turn("sessions", after=3, by=by) == [None, "1"]
    assert (fetched(), connection.sessions_until) == (["S1", "S2"], at("00:30"))
    assert turn("sessions", after=3, by=by) == ["2", "3"]
    assert turn("sessions") == ["4", None]

    assert (fetched(), connection.sessions_until) == (told, at("05:30"))


def test_a_long_list_goes_on_with_the_party_that_the_last_turn_did_not_come_to(told, platform, turn, connection):
    OcpiParty.objects.create(connection=connection, country_code="NL", party_id="UTR")
    del platform.sessions[2:]
    assert turn("sessions", after=5) == [None, "1", None]
    assert [one.headers["OCPI-to-party-id"] for one in platform.received][-3:] == ["STA", "STA", "UTR"]

    assert turn("sessions", after=3) == ["1"]
    assert platform.received[-1].headers["OCPI-to-party-id"] == "UTR"


@pytest.mark.usefixtures("whole_reach")
def test_days_that_are_over_are_fetched_each_by_itself_and_not_again(platform, turn, connection):
    platform.sessions = [over(f"S{number}", NOW - timedelta(days=number)) for number in (50, 20, 2)]

    turn("sessions", after=22)
    assert connection.sessions_until == NOW - timedelta(days=35)

    turn("sessions")
    asked = [one.query for one in platform.received if one.path.endswith("/sessions")]
    assert [one["date_from"] for one in asked] == [
        text_of(NOW - timedelta(days=number, minutes=5)) for number in range(35, 0, -1)
    ]
    assert ["date_to" in one for one in asked] == [True] * 34 + [False]
    assert connection.sessions_until == NOW - timedelta(days=1)


def test_what_changes_while_a_long_list_is_fetched_is_asked_for_again(told, platform, turn, tmp_path):
    platform.sorted_by = "start_date_time"  # as the specification advises: whatever changes stays where it is
    turn("sessions", after=3)
    platform.sessions[0] |= {"kwh": 9.0, "last_updated": text_of(NOW + timedelta(minutes=10))}
    platform.sessions.append(over("S6", NOW + timedelta(minutes=50)))
    VirtualClock.create(tmp_path / "clock", starts_at=NOW + timedelta(hours=1), speed=0)

    turn("sessions", after=5)
    assert fetched() == [*told, "S6"]
    turn("sessions")

    assert ChargingSession.objects.get(external_id="S1").energy_wh == 9_000


def test_what_a_change_moves_over_the_border_of_a_page_is_not_lost(told, platform, turn, connection):
    assert turn("sessions", after=3) == [None, "1"]
    platform.sessions[0]["last_updated"] = text_of(NOW)  # to the end of the list, so S3 is on the second page now

    turn("sessions")

    assert (fetched(), connection.sessions_until) == (told, NOW)


def test_a_day_is_listed_again_until_it_stood_still(platform, turn, connection):
    take_locations(connection_id=connection.pk, documents=[location()], now=NOW)
    start = NOW - timedelta(days=10)
    OcpiConnection.objects.update(sessions_until=start)
    platform.sessions = [over(f"S{hour}", start + timedelta(hours=hour)) for hour in range(1, 8)]
    whole, goes_after = platform._page, {3: [0], 5: [1, 2]}  # with the list of locations as the first

    def moving(request, rows):
        answer = whole(request, rows)
        for number in goes_after.get(len(platform.received), []):
            platform.sessions[number]["last_updated"] = text_of(NOW)
        return answer

    platform._page = moving

    assert turn("sessions")[:8] == [None, "2", "4", None, "2", None, "2", None]

    assert fetched() == [f"S{number}" for number in range(1, 8)]


def test_a_total_that_counts_what_is_left_has_a_day_listed_no_more_than_twice(platform, turn, connection):
    take_locations(connection_id=connection.pk, documents=[location()], now=NOW)
    start = NOW - timedelta(days=3)
    OcpiConnection.objects.update(sessions_until=start)
    platform.sessions = [over(f"S{hour}", start + timedelta(hours=hour)) for hour in range(1, 6)]
    whole = platform._page

    def counting(request, rows):
        status, answer, headers = whole(request, rows)
        left = int(headers["X-Total-Count"]) - int(request.query.get("offset", 0))
        return status, answer, {**headers, "X-Total-Count": str(left)}

    platform._page = counting

    assert turn("sessions", after=20)[:5] == [None, "2", None, "2", "4"]
    assert (len(fetched()), connection.sessions_until) == (5, NOW - timedelta(days=1))


def test_a_day_out_of_which_a_session_went_meanwhile_is_listed_again(platform, turn, connection):
    take_locations(connection_id=connection.pk, documents=[location()], now=NOW)
    start = NOW - timedelta(days=10)
    OcpiConnection.objects.update(sessions_until=start)
    platform.sessions = [over(f"S{hour}", start + timedelta(hours=hour)) for hour in range(1, 6)]

    assert turn("sessions", after=2) == [None]
    platform.sessions[0]["last_updated"] = text_of(NOW)  # so S3 is on the first page now
    assert turn("sessions")[:3] == ["2", None, "2"]

    assert fetched() == ["S1", "S2", "S3", "S4", "S5"]


@pytest.mark.parametrize("parties", [1, 2])
def test_a_platform_that_does_not_heed_an_end_is_not_asked_for_all_of_it_day_by_day(
    platform, turn, connection, parties
):
    take_locations(connection_id=connection.pk, documents=[location()], now=NOW)
    if parties == 2:
        OcpiParty.objects.create(connection=connection, country_code="NL", party_id="UTR")
    platform.heeds_date_to = False
    platform.sessions = [over(f"S{number}", NOW - timedelta(days=number)) for number in range(9, 0, -1)]
    platform.page_size = 20
    OcpiConnection.objects.update(sessions_until=NOW - timedelta(days=10))

    asked = turn("sessions")

    assert len(asked) == 2 * parties  # all at once, and what came since then
    assert (len(fetched()), connection.sessions_until) == (9, NOW - timedelta(days=1))


def test_what_an_earlier_party_was_not_asked_for_when_another_does_not_heed_an_end_is_asked_for(
    platform, turn, connection
):
    take_locations(connection_id=connection.pk, documents=[location()], now=NOW)
    OcpiParty.objects.create(connection=connection, country_code="NL", party_id="UTR")
    OcpiConnection.objects.update(sessions_until=NOW - timedelta(days=10))
    platform.sessions = [over(f"S{number}", NOW - timedelta(days=number)) for number in range(9, 0, -1)]
    platform.page_size = 20
    whole = platform._page

    def of_two_systems(request, rows):
        platform.heeds_date_to = request.headers["OCPI-to-party-id"] == "STA"
        return whole(request, rows if platform.heeds_date_to else rows[-1:])

    platform._page = of_two_systems

    turn("sessions")

    assert len(fetched()) == 9


def test_a_page_that_is_refused_in_two_turns_is_given_up_and_its_list_begun_again(told, platform, turn):
    turn("sessions", after=3)
    whole = platform._page
    platform._page = lambda request, rows: (
        (404, enveloped(None, 2000), {}) if request.query.get("offset") else whole(request, rows)
    )
    assert [turn("sessions"), turn("sessions")] == [["2"], ["2"]]
    platform._page = whole

    assert turn("sessions") == [None, "1", "2", "3", "4"]
    assert fetched() == told


def test_a_platform_that_always_links_to_one_more_page_is_fetched_to_its_end(told, platform, turn, connection):
    whole = platform._page

    def linking(request, rows):
        status, answer, headers = whole(request, rows)
        following = int(request.query.get("offset", 0)) + platform.page_size
        return status, answer, {**headers, "Link": f'<{platform.url}{request.path}?offset={following}>; rel="next"'}

    platform._page = linking

    assert turn("sessions", after=20) == [None, "1", "2", "3", "4", "5"]
    assert (fetched(), connection.pull_error) == (told, "")


def test_a_platform_that_registers_anew_is_asked_for_its_lists_from_their_beginning(told, turn, platform, call):
    turn("sessions", after=3)
    assert call("PUT", "/2.2.1/credentials", platform.own_credentials()).json()["status_code"] == 1000

    assert turn("sessions") == [None, "1", "2", "3", "4"]
