"""Whose charging profile is sent next: one process each, least tried first, each platform with its share."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from assets.models import Asset, OcpiSession, ProfileCommand
from assets.ocpi import sending, tokens
from assets.ocpi.connections import open_connection
from assets.ocpi.places import take_locations
from assets.ocpi.sending import send_commands
from tests.field_side import NOW, enrol, make_partner
from tests.integration.ocpi.cpo_platform import Platform, evse, location, session
from tests.integration.ocpi.profile_side import tell

Status = ProfileCommand.Status


def test_a_command_that_another_process_is_sending_is_left_to_it_until_its_claim_runs_out(platform, asset, clock, http):
    tell(asset)
    ProfileCommand.objects.update(claimed_until=Now() + timedelta(minutes=1))
    assert send_commands(clock=clock, http=http).accepted == 0

    ProfileCommand.objects.update(claimed_until=Now() - timedelta(seconds=1))

    assert send_commands(clock=clock, http=http).accepted == 1


@pytest.fixture
def sessions(platform, connection, call, group):
    """Four cars at four EVSEs in the group; a profile is told to each, and waits."""
    names = ["1", "2", "3", "4"]
    take_locations(connection_id=connection.pk, documents=[location(*(evse(f"E{name}") for name in names))], now=NOW)
    assets = [Asset.objects.get(external_id=f"E{name}") for name in names]
    enrol(group, assets)
    for name, one in zip(names, assets, strict=True):
        call("PUT", f"/2.2.1/sessions/NL/STA/S{name}", session(f"S{name}", evse_uid=f"E{name}"))
        tell(one, revision=int(name))
    return {one.session.session_id: one for one in ProfileCommand.objects.select_related("session__evse__asset")}


def order_of(platform):
    return [one.path.rpartition("/")[2] for one in platform.profiles()]


def test_what_fails_again_and_again_waits_behind_what_is_new(platform, sessions, clock, http, monkeypatch):
    monkeypatch.setattr(sending, "CLAIMED_AT_ONCE", 1)
    for name, attempts in (("S1", 7), ("S2", 3), ("S4", 0)):
        ProfileCommand.objects.filter(pk=sessions[name].pk).update(attempts=attempts)

    send_commands(clock=clock, http=http)

    assert order_of(platform) == ["S3", "S4", "S2", "S1"]


def test_a_newer_profile_takes_the_place_of_one_that_fails_and_its_turn_is_that_of_what_is_new(
    platform, sessions, clock, http, monkeypatch
):
    monkeypatch.setattr(sending, "CLAIMED_AT_ONCE", 1)
    ProfileCommand.objects.update(attempts=3)

    tell(sessions["S4"].session.evse.asset, (0, 0), revision=5)
    send_commands(clock=clock, http=http)

    assert order_of(platform) == ["S4", "S1", "S2", "S3"]
    assert platform.profiles()[0].body["charging_profile"]["charging_profile_period"][0]["limit"] == 0
    assert ProfileCommand.objects.get(pk=sessions["S4"].pk).status == Status.SUPERSEDED


def test_a_newer_profile_does_not_overtake_one_that_is_being_sent(platform, asset, clock, http):
    tell(asset)
    ProfileCommand.objects.update(claimed_until=Now() + timedelta(minutes=1))
    tell(asset, (0, 0), revision=2)
    assert send_commands(clock=clock, http=http).accepted == 0

    ProfileCommand.objects.filter(status=Status.SUPERSEDED).update(claimed_until=None)  # its answer came

    assert send_commands(clock=clock, http=http).accepted == 1


def test_the_many_of_one_platform_leave_the_others_their_share(platform, sessions, clock, http, monkeypatch):
    monkeypatch.setattr(sending, "CLAIMED_AT_ONCE", 2)
    other, _ = open_connection(partner=make_partner("Other"), now=NOW)
    with Platform() as second:
        other.versions_url, other.registered_at = second.versions_url, NOW
        other.peer_token_sealed = tokens.sealed(second.token)
        other.endpoints = {"chargingprofiles/RECEIVER": f"{second.url}/ocpi/2.2.1/chargingprofiles"}
        other.save()
        OcpiSession.objects.filter(session_id="S4").update(connection=other)
        told = []
        platform.answer_profile = lambda _request: told.append("many") or (503, {})
        answer = second.answer_profile
        second.answer_profile = lambda request: told.append("other") or answer(request)

        report = send_commands(clock=clock, http=http)

    assert (report.accepted, report.postponed) == (1, 3)
    assert "other" in told[:2]
