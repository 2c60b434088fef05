"""What is known of drivers goes when its time is over, and is never in a log."""

import logging
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from aggregator.core.messaging.operations import enqueue
from aggregator.core.models import DeliveryAttempt
from assets import operations
from assets.control.channel import SETPOINTS_CHANNEL
from assets.models import AssetState, ChargingSession, Declaration, OcpiEvse, OcpiSession, ProfileCommand
from assets.ocpi.connections import open_connection
from tests.field_side import NOW, charger, make_assets

KEPT_FOR = timedelta(days=90)
SPOKEN_OF = ("driver_token", "declared_departure_at", "declared_energy_wh", "arrival_level_wh")


def _session(number, plug_in_at):
    return {
        "asset": "a",
        "external_id": f"s-{number}",
        "plug_in_at": plug_in_at,
        "plug_out_at": plug_in_at + timedelta(hours=8),
        "energy_wh": 9_000,
        "max_import_w": 11_000,
        "required_energy_wh": 10_000,
        "declared_departure_at": plug_in_at + timedelta(hours=9),
        "declared_energy_wh": 20_000,
        "declared_at": plug_in_at,
        "arrival_level_wh": 5_000,
        "driver_token": "CARD-0815",
    }


@pytest.fixture
def reported(partner):
    """Five sessions from before the line and one from after it."""
    make_assets(partner, [charger("a")])
    line = NOW - KEPT_FOR
    starts = [line - timedelta(days=number) for number in range(1, 6)] + [line + timedelta(minutes=1)]
    rows = [_session(number, start) for number, start in enumerate(starts)]
    operations.record_sessions(partner_id=partner.pk, rows=rows, now=NOW)


def forget(at_once=5_000, kept_for=KEPT_FOR):
    return operations.forget_driver_data(now=NOW, kept_for=kept_for, at_once=at_once)


@pytest.mark.parametrize("at_once", [2, 5, 5_000])
def test_old_sessions_lose_their_driver_and_keep_their_energy_however_many_at_once(reported, at_once):
    first, again = forget(at_once), forget(at_once)

    assert (first.sessions, again.sessions) == (5, 0)
    assert (first.declarations, again.declarations) == (5, 0)
    assert Declaration.objects.get().session.external_id == "s-5"
    for kept in ChargingSession.objects.exclude(external_id="s-5"):
        assert [getattr(kept, name) for name in SPOKEN_OF] == ["", None, None, None]
        assert (kept.energy_wh, kept.required_energy_wh, kept.plug_out_at - kept.plug_in_at) == (
            9_000,
            10_000,
            timedelta(hours=8),
        )
    young = ChargingSession.objects.get(external_id="s-5")
    assert all(getattr(young, name) for name in SPOKEN_OF)


def test_old_states_lose_what_was_declared(partner):
    make_assets(partner, [charger("old"), charger("new")])
    declared = {"power_w": 0, "declared_departure_at": NOW, "declared_energy_wh": 7_000}
    rows = [
        {"asset": "old", "at": NOW - KEPT_FOR - timedelta(seconds=1), **declared},
        {"asset": "new", "at": NOW - KEPT_FOR, **declared},
    ]
    operations.record_states(partner_id=partner.pk, rows=rows, now=NOW)

    assert (forget().states, forget().states) == (1, 0)
    assert dict(AssetState.objects.values_list("asset__external_id", "declared_energy_wh")) == {
        "old": None,
        "new": 7_000,
    }


def test_old_ocpi_sessions_go_with_what_was_asked_for_them(partner):
    platform, _ = open_connection(partner=partner, now=NOW)
    [asset] = make_assets(partner, [charger("a")])
    evse = OcpiEvse.objects.create(
        connection=platform,
        asset=asset,
        key="a",
        phases=3,
        is_profile_capable=True,
        defines_asset=False,
        last_updated=NOW,
    )
    for number, age in enumerate((91, 90, 1)):
        OcpiSession.objects.create(
            connection=platform,
            evse=evse,
            key=f"nl*sta*{number}",
            session_id=str(number),
            status="COMPLETED",
            last_updated=NOW - timedelta(days=age),
        )
    ProfileCommand.objects.create(
        session=OcpiSession.objects.get(session_id="0"),
        kind="clear",
        status="done",
        reference="0" * 32,
        created_at=NOW,
        next_attempt_at=NOW,
        deadline_at=NOW,
    )

    assert (forget(at_once=1).ocpi_sessions, forget().ocpi_sessions) == (1, 0)
    assert set(OcpiSession.objects.values_list("session_id", flat=True)) == {"1", "2"}
    assert not ProfileCommand.objects.exists()


def test_old_answers_of_partners_go_and_those_of_the_market_stay(db):
    for channel in (SETPOINTS_CHANNEL, "exchange"):
        message = enqueue(
            now=NOW,
            channel=channel,
            conversation="c",
            idempotency_key=channel,
            method="POST",
            url="https://cpo.example",
            headers={},
            body=b"{}",
            deadline_at=NOW + timedelta(hours=1),
        )
        DeliveryAttempt.objects.create(message=message, attempted_at=NOW - timedelta(days=91), duration_ms=1)

    assert forget().delivery_attempts == 1
    assert DeliveryAttempt.objects.get().message.channel == "exchange"


def test_the_command_keeps_what_the_setting_says_or_less(reported, settings, clock, monkeypatch, capsys):
    monkeypatch.setattr("bidding.management.commands.forget_driver_data.clock", lambda: clock)
    settings.KEEP_DRIVER_DATA = timedelta(days=400)
    call_command("forget_driver_data")
    assert "Forgot drivers in 0 sessions" in capsys.readouterr().out

    call_command("forget_driver_data", "--days", "90")
    assert "Forgot drivers in 5 sessions" in capsys.readouterr().out
    for days in ("0", "401", "99999999999"):
        with pytest.raises(CommandError, match="from 1 to 400"):
            call_command("forget_driver_data", "--days", days)


def test_a_card_is_in_no_log_whether_its_row_is_taken_or_refused(partner, caplog):
    caplog.set_level(logging.DEBUG)
    make_assets(partner, [charger("a")])
    good = _session(1, NOW - timedelta(hours=9))
    operations.record_sessions(partner_id=partner.pk, rows=[good], now=NOW)
    with pytest.raises(operations.InvalidRows):
        operations.record_sessions(partner_id=partner.pk, rows=[{**good, "asset": "nowhere"}], now=NOW)

    assert "CARD-0815" not in caplog.text


def test_what_cannot_be_forgotten_keeps_nothing_else_from_it_and_the_command_tells(
    reported, settings, clock, monkeypatch, caplog
):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing may be pending when a table is altered
        cursor.execute("ALTER TABLE assets_chargingsession ADD CONSTRAINT broken CHECK (driver_token <> '')")

    done = forget()

    assert (done.failed, done.sessions, done.declarations) == (("sessions",), 0, 5)
    assert "What old sessions say of drivers was not forgotten" in caplog.text
    monkeypatch.setattr("bidding.management.commands.forget_driver_data.clock", lambda: clock)
    settings.KEEP_DRIVER_DATA = KEPT_FOR
    with pytest.raises(CommandError, match="Not forgotten: sessions"):
        call_command("forget_driver_data")
