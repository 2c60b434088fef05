"""The kill switch over OCPI: nothing new is sent, and what stations may keep is cleared."""

from datetime import timedelta

from assets import operations
from assets.control.operations import PlannedSetpoint, send_setpoints
from assets.models import Asset, OcpiConnection, ProfileCommand
from assets.ocpi.places import take_locations
from assets.ocpi.sending import send_commands
from tests.field_side import GROUP_EAN, NOW, at, enrol
from tests.integration.ocpi.cpo_platform import evse, location, session
from tests.integration.ocpi.profile_side import S1, callback_path, tell

Status = ProfileCommand.Status


def test_a_stopped_partner_is_sent_no_new_profile_and_what_waited_is_withdrawn(
    platform, asset, clock, http, partner, call
):
    tell(asset)
    operations.stop_partner(partner_id=partner.pk, reason="odd switching seen", now=NOW)

    assert send_commands(clock=clock, http=http).accepted == 0

    assert ProfileCommand.objects.get().status == Status.WITHDRAWN
    call("PATCH", S1, {"status": "COMPLETED", "last_updated": "2026-01-14T16:06:00Z"})
    call("PUT", "/2.2.1/sessions/NL/STA/S2", session("S2", start_date_time="2026-01-14T16:06:30Z"))
    assert send_commands(clock=clock, http=http).accepted == 0
    assert platform.profiles() == []


def test_the_kill_switch_clears_what_stations_may_keep_and_sends_nothing_else(
    platform, asset, clock, http, partner, call
):
    tell(asset)
    send_commands(clock=clock, http=http)
    call("POST", callback_path(platform), {"result": "ACCEPTED"})
    OcpiConnection.objects.update(seconds_between_profiles=0)
    tell(asset, (0, 0), revision=2)

    operations.stop_partner(partner_id=partner.pk, reason="odd switching seen", now=NOW)
    send_commands(clock=clock, http=http)

    assert [one.method for one in platform.profiles()] == ["PUT", "DELETE"]
    call("POST", callback_path(platform), {"result": "ACCEPTED"})
    assert list(ProfileCommand.objects.order_by("id").values_list("kind", "status")) == [
        ("set", Status.DONE),
        ("set", Status.WITHDRAWN),
        ("clear", Status.DONE),
    ]
    operations.resume_partner(partner_id=partner.pk, reason="was a test", now=NOW)
    operations.stop_partner(partner_id=partner.pk, reason="again", now=NOW)
    assert send_commands(clock=clock, http=http).accepted == 0  # nothing is in force any more


def test_a_car_that_comes_after_the_kill_switch_is_not_told_what_was_withdrawn(
    platform, asset, clock, http, partner, call
):
    tell(asset)
    operations.stop_partner(partner_id=partner.pk, reason="odd switching seen", now=NOW)
    operations.resume_partner(partner_id=partner.pk, reason="was a test", now=NOW)
    call("PATCH", S1, {"status": "COMPLETED", "last_updated": "2026-01-14T16:06:00Z"})
    call("PUT", "/2.2.1/sessions/NL/STA/S2", session("S2", start_date_time="2026-01-14T16:06:30Z"))

    assert send_commands(clock=clock, http=http).accepted == 0
    tell(asset, (0, 0), "16:30", "17:00", revision=2)
    assert send_commands(clock=clock, http=http).accepted == 1

    (sent,) = platform.profiles()
    assert sent.body["charging_profile"]["start_date_time"] == "2026-01-14T16:30:00Z"


def test_the_kill_switch_also_clears_a_profile_that_may_have_arrived(platform, asset, clock, http, partner):
    tell(asset)
    platform.answer_profile = lambda _request: (503, {})
    send_commands(clock=clock, http=http)
    OcpiConnection.objects.update(seconds_between_profiles=0)

    operations.stop_all_partners(reason="odd switching seen", now=NOW)
    send_commands(clock=clock, http=http)

    assert [one.method for one in platform.profiles()] == ["PUT", "DELETE"]
    assert ProfileCommand.objects.latest("id").status == Status.WAITING  # 503: it is cleared later


def test_a_stopped_fleet_is_set_free_spread_over_minutes(platform, evse_e1, group, clock, http, call, partner):
    numbers = range(1, 5)
    documents = [location(*(evse(f"E{number}") for number in numbers))]
    take_locations(connection_id=evse_e1.connection_id, documents=documents, now=NOW)
    assets = list(Asset.objects.order_by("external_id"))
    enrol(group, assets)
    for number in numbers:
        call("PUT", f"/2.2.1/sessions/NL/STA/S{number}", session(f"S{number}", evse_uid=f"E{number}"))
    plan = [PlannedSetpoint(asset_id=one.pk, starts_at=at("16:15"), ends_at=at("16:30"), power_w=[0]) for one in assets]
    send_setpoints(
        now=NOW,
        aggregation_ean=GROUP_EAN,
        order_reference="order-1",
        reason="",
        revision=1,
        plan=plan,
        deadline_at=at("20:00"),
    )
    send_commands(clock=clock, http=http)
    OcpiConnection.objects.update(seconds_between_profiles=0)

    operations.stop_partner(partner_id=partner.pk, reason="odd switching seen", now=NOW)

    due = ProfileCommand.objects.filter(kind="clear").order_by("id").values_list("next_attempt_at", flat=True)
    assert [one - NOW for one in due] == [timedelta(seconds=75 * number) for number in range(4)]
