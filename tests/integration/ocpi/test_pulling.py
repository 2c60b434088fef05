"""Fetching by the page, after a start as after a silence (transport_and_format, pull)."""

import logging
from contextlib import closing
from datetime import timedelta

import pytest

from aggregator.celery import app
from aggregator.core.jobs import job
from assets import tasks
from assets.models import Asset, ChargingSession, OcpiConnection, OcpiParty
from assets.ocpi import pulling, tokens
from assets.ocpi.connections import open_connection
from assets.ocpi.pulling import REACH
from assets.ocpi.wire import text_of
from tests.field_side import NOW, at, make_partner
from tests.integration.ocpi.cpo_platform import Platform, enveloped, evse, location, session
from tests.integration.ocpi.turns import pull_due


def told(number, **changes):
    hour = f"2026-01-14T{number:02}"
    return session(
        f"S{number}",
        **{
            "start_date_time": f"{hour}:00:00Z",
            "end_date_time": f"{hour}:30:00Z",
            "status": "COMPLETED",
            "last_updated": f"{hour}:30:00Z",
            **changes,
        },
    )


@pytest.mark.usefixtures("whole_reach")
def test_everything_is_fetched_page_by_page_along_the_links(platform, connection, clock, http):
    platform.locations = [location(evse("E1"), evse("E2"))]
    platform.sessions = [told(number) for number in range(1, 6)]

    assert pull_due(clock=clock, http=http) == 1

    assert Asset.objects.count() == 2
    assert ChargingSession.objects.count() == 5
    asked = [request for request in platform.received if request.path.endswith("/sessions")]
    assert [request.query.get("offset") for request in asked[-3:]] == [None, "2", "4"]
    assert asked[0].query["date_from"] == "2025-11-19T16:02:00Z"
    headers = asked[0].headers
    assert {headers[f"OCPI-{name}"] for name in ("to-party-id", "from-party-id")} == {"STA", "AGG"}
    assert len(headers["X-Request-ID"]) == len(headers["X-Correlation-ID"]) == 36
    connection.refresh_from_db()
    assert (connection.sessions_until, connection.pull_error) == (at("05:30"), "")


def test_every_party_of_a_platform_is_fetched_from(platform, connection, clock, http):
    OcpiParty.objects.create(connection=connection, country_code="NL", party_id="UTR")
    OcpiConnection.objects.update(sessions_until=at("01:00"))
    platform.sessions = [told(1)]

    pull_due(clock=clock, http=http)

    for module in ("locations", "sessions"):
        asked = [request for request in platform.received if request.path.endswith(f"/{module}")]
        assert [request.headers["OCPI-to-party-id"] for request in asked] == ["STA", "UTR"]
        assert len({request.query.get("date_from") for request in asked}) == 1


def test_what_a_silent_partner_did_not_push_is_found_at_the_next_fetch(platform, connection, clock, http):
    platform.locations, platform.sessions = [location()], [told(1)]
    pull_due(clock=clock, http=http)
    platform.sessions.append(told(15, status="ACTIVE", end_date_time=None))
    too_soon = pull_due(clock=clock, http=http)
    type(connection).objects.update(pulled_at=NOW - timedelta(minutes=15))
    platform.received.clear()

    assert (too_soon, pull_due(clock=clock, http=http)) == (0, 1)

    asked = next(request for request in platform.received if request.path.endswith("/sessions"))
    assert asked.query["date_from"] == "2026-01-14T01:25:00Z"
    assert ChargingSession.objects.get(external_id="S15").plug_out_at is None


def roles(*party_ids):
    return [
        {"role": "CPO", "country_code": "NL", "party_id": one, "business_details": {"name": one}} for one in party_ids
    ]


@pytest.mark.usefixtures("whole_reach")
@pytest.mark.parametrize("is_meanwhile", [True, False])
def test_what_a_party_that_joins_told_before_is_fetched_too(platform, connection, call, clock, http, is_meanwhile):
    OcpiConnection.objects.update(sessions_until=at("16:00"), registered_at=NOW - timedelta(days=30))
    same = call("PUT", "/2.2.1/credentials", platform.own_credentials()).json()
    connection.refresh_from_db()
    assert (same["status_code"], connection.sessions_until) == (1000, at("16:00"))
    OcpiConnection.objects.update(registered_at=NOW - timedelta(days=30))

    class Joining:
        """Lets the party join before the first request of a turn."""

        has_joined = False

        def request(self, **request):
            if not self.has_joined:
                self.has_joined = True
                joined = call("PUT", "/2.2.1/credentials", platform.own_credentials(roles=roles("STA", "UTR")))
                assert joined.json()["status_code"] == 1000
            return http.request(**request)

    joining = Joining()
    if not is_meanwhile:
        joining.request(method="GET", url=platform.versions_url, headers={})
    pull_due(clock=clock, http=joining)
    platform.received.clear()
    pull_due(clock=clock, http=http)

    connection.refresh_from_db()
    assert connection.sessions_until == NOW - timedelta(days=1)
    if is_meanwhile:
        asked = [one for one in platform.received if one.path.endswith("/sessions")]
        assert asked[0].query["date_from"] == text_of(NOW - REACH - timedelta(minutes=5))
        assert {one.headers["OCPI-to-party-id"] for one in asked} == {"STA", "UTR"}


@pytest.mark.xdist_group("evening")  # an evening of another worker would empty the queues when it is over
def test_each_partner_has_a_task_of_its_own_and_who_is_fetched_from_meanwhile_is_left(
    platform, second_platform, connection, clock
):
    with app.connection_for_write() as broker, closing(broker.SimpleQueue(app.amqp.queues["ocpi"])) as queue:
        queue.clear()
        tasks.pull_from_ocpi_partners()
        told = []
        for _ in range(2):
            message = queue.get(timeout=10)
            told.append((message.headers["task"], message.payload[1]))
            message.ack()

    numbers = sorted(OcpiConnection.objects.values_list("pk", flat=True))
    task = tasks.pull_from_ocpi_partner
    assert told == [(task.name, {"connection_id": number}) for number in numbers]
    with job(kind="ocpi-pull", key=str(connection.pk), clock=clock):
        for _, arguments in told * 2:
            task(**arguments)
    assert platform.received == []
    assert OcpiConnection.objects.get(partner__name="Other").pulled_at == NOW
    once = len(second_platform.received)
    task(**told[1][1])
    assert len(second_platform.received) == once


@pytest.mark.parametrize("was_pushed", [True, False])
def test_sessions_of_an_evse_that_was_unknown_are_fetched_again_once_it_is_known(
    platform, connection, call, clock, http, was_pushed
):
    def pull_again():
        OcpiConnection.objects.update(pulled_at=NOW - timedelta(minutes=15))
        platform.received.clear()
        pull_due(clock=clock, http=http)
        return next(one.query["date_from"] for one in platform.received if one.path.endswith("/sessions"))

    platform.locations, platform.sessions = [location()], [told(15)]
    early, late = told(3, evse_uid="E2"), told(9, evse_uid="E2")
    if was_pushed:
        pull_due(clock=clock, http=http)
        for one in (late, early):
            assert call("PUT", f"/2.2.1/sessions/NL/STA/{one['id']}", one).json()["status_code"] == 2003
    platform.sessions += [late, early]
    if not was_pushed:
        pull_due(clock=clock, http=http)
    assert list(ChargingSession.objects.values_list("external_id", flat=True)) == ["S15"]
    assert pull_again() == "2026-01-14T15:25:00Z"

    platform.locations = [location(evse("E1"), evse("E2"), last_updated="2026-01-14T16:00:00Z")]

    assert pull_again() == "2026-01-14T03:25:00Z"
    assert set(ChargingSession.objects.values_list("external_id", flat=True)) == {"S3", "S9", "S15"}
    assert pull_again() == "2026-01-14T15:25:00Z"


def test_a_session_that_shows_late_behind_a_newer_one_is_not_missed(platform, connection, clock, http):
    platform.locations, platform.sessions = [location()], [told(15)]
    pull_due(clock=clock, http=http)
    platform.sessions.append(told(14, end_date_time="2026-01-14T15:29:00Z", last_updated="2026-01-14T15:29:00Z"))
    OcpiConnection.objects.update(pulled_at=None)

    pull_due(clock=clock, http=http)

    assert set(ChargingSession.objects.values_list("external_id", flat=True)) == {"S14", "S15"}


def test_a_fetch_that_fails_is_kept_with_the_partner_and_tried_again(platform, connection, clock, http):
    platform.locations, platform.sessions = [location()], [told(1)]
    platform.token = "changed behind our back"

    pull_due(clock=clock, http=http)

    connection.refresh_from_db()
    assert "HTTP 401" in connection.pull_error
    assert connection.sessions_until is None
    platform.token = "b-token-of-the-platform"
    type(connection).objects.update(pulled_at=NOW - timedelta(minutes=15))
    pull_due(clock=clock, http=http)
    connection.refresh_from_db()
    assert connection.pull_error == ""
    assert ChargingSession.objects.count() == 1


@pytest.mark.parametrize("fault", ["", "unknown EVSE", "no object", "broken off"])
def test_card_and_contract_are_in_no_log_and_no_error_whatever_a_fetch_meets(
    platform, connection, clock, http, caplog, fault
):
    caplog.set_level(logging.DEBUG)
    platform.locations = [location()]
    card = {"cdr_token": session()["cdr_token"]}  # early in the page
    platform.sessions = [card | told(1, evse_uid="E9" if fault == "unknown EVSE" else "E1")]
    if fault == "no object":
        platform.sessions[0]["kwh"] = "04AABBCCDD"
    pull_due(clock=clock, http=http)
    platform.breaks_off = "sessions" if fault == "broken off" else ""
    type(connection).objects.update(pulled_at=NOW - timedelta(minutes=15), locations_until=None)
    pull_due(clock=clock, http=http)

    connection.refresh_from_db()
    assert (connection.pull_error != "") is (fault == "broken off")
    for personal in ("04AABBCCDD", "C12345678"):
        assert personal not in caplog.text
        assert personal not in connection.pull_error


def test_a_page_that_leads_to_another_host_is_not_followed(platform, connection, clock, http):
    platform.locations = [location()]
    platform.sessions = [told(number) for number in range(1, 6)]
    platform.url = platform.url.replace("127.0.0.1", "127.0.0.2")

    pull_due(clock=clock, http=http)

    connection.refresh_from_db()
    assert "where this peer registered" in connection.pull_error


@pytest.fixture
def second_platform(connection):
    """The platform of a partner that registered later."""
    later, _ = open_connection(partner=make_partner("Other"), now=NOW)
    with Platform() as running:
        later.versions_url, later.registered_at = running.versions_url, NOW
        later.peer_token_sealed = tokens.sealed(running.token)
        later.endpoints = {"sessions/SENDER": f"{running.url}/ocpi/2.2.1/sessions"}
        later.save()
        OcpiParty.objects.create(connection=later, country_code="NL", party_id="OTH")
        yield running


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param((500, enveloped(None, 3000) | {"status_message": "\0\ud800"}, {}), "HTTP 500", id="no text"),
        pytest.param((200, enveloped([], float("inf")), {}), "without an OCPI body", id="a status without end"),
        pytest.param((200, enveloped([]), {"Link": '<http://[>; rel="next"'}), "is no address", id="no address"),
    ],
)
def test_a_partner_that_answers_nonsense_keeps_nobody_else_from_being_fetched_from(
    platform, second_platform, connection, clock, http, answer, reason
):
    platform._page = lambda _request, _rows: answer

    assert pull_due(clock=clock, http=http) == 2

    connection.refresh_from_db()
    assert reason in connection.pull_error
    assert connection.pulled_at == NOW
    assert {request.path for request in second_platform.received} == {"/ocpi/2.2.1/sessions"}


def test_a_partner_whose_fetch_fails_through_a_fault_of_ours_keeps_nobody_else_from_it(
    platform, second_platform, connection, clock, http, monkeypatch, caplog
):
    def broken(**_arguments):
        raise RuntimeError("of ours")

    monkeypatch.setattr(pulling, "take_locations", broken)

    assert pull_due(clock=clock, http=http) == 1

    assert "Nothing was fetched from Stadsladen" in caplog.text
    assert {request.path for request in second_platform.received} == {"/ocpi/2.2.1/sessions"}
    assert OcpiConnection.objects.get(partner__name="Other").pulled_at == NOW
