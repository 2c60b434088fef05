"""Feeding in over OCPI: an extension that partner and driver must have agreed to."""

import pytest

from aggregator.core.interval import Interval
from assets.models import Asset, OcpiConnection, OcpiSession, ProfileCommand
from assets.ocpi.places import take_locations
from assets.ocpi.sending import send_commands
from assets.queries import may_feed_in
from bidding.dispatch.situation import plugs_at
from bidding.portfolio import group_at
from tests.field_side import NOW, at, enrol
from tests.integration.ocpi.cpo_platform import evse, location, session
from tests.integration.ocpi.profile_side import S1, callback_path, tell

Status = ProfileCommand.Status


@pytest.fixture
def v2g_asset(connection, group, call):
    """A V2G car at EVSE E1 of a partner that agreed to our extension; the driver agreed too."""
    OcpiConnection.objects.update(is_v2g_agreed=True)
    connector = {**evse()["connectors"][0], "max_discharge_power": 11_000}
    capable = evse(capabilities=["CHARGING_PROFILE_CAPABLE", "V2X_CAPABLE"], connectors=[connector])
    take_locations(connection_id=connection.pk, documents=[location(capable)], now=NOW)
    asset = Asset.objects.get()
    enrol(group, [asset])
    call("PUT", S1, session(charging_preferences={"discharge_allowed": True}))
    return asset


def test_feeding_in_goes_out_in_our_extension_beside_a_limit_that_every_cpo_understands(
    platform, v2g_asset, clock, http
):
    tell(v2g_asset, (-5_000, 2_000))

    send_commands(clock=clock, http=http)

    assert platform.profiles()[0].body["charging_profile"]["charging_profile_period"] == [
        {"start_period": 0, "limit": 0, "setpoint": -5000, "discharge_limit": -5000},
        {"start_period": 900, "limit": 4140, "discharge_limit": 0},
    ]


@pytest.mark.parametrize("reason", ["not agreed with the partner", "not allowed by the driver"])
def test_without_an_agreement_feeding_in_becomes_a_pause(platform, v2g_asset, clock, http, call, reason):
    if reason == "not agreed with the partner":
        OcpiConnection.objects.update(is_v2g_agreed=False)
    else:
        OcpiSession.objects.update(is_discharge_allowed=False)
    setpoint = tell(v2g_asset, (-5_000, -5_000))

    send_commands(clock=clock, http=http)

    periods = platform.profiles()[0].body["charging_profile"]["charging_profile_period"]
    assert periods == [{"start_period": 0, "limit": 0}]
    call("POST", callback_path(platform), {"result": "ACCEPTED"})
    setpoint.refresh_from_db()
    assert setpoint.result_reason == "Feeding in is not agreed for this session, so a limit of 0 is sent."


@pytest.mark.parametrize(
    "missing", ["nothing", "the partner's agreement", "the driver's consent", "a session", "the platform"]
)
def test_dispatch_counts_on_feeding_in_only_where_partner_and_driver_agreed(v2g_asset, group, missing):
    if missing == "the partner's agreement":
        OcpiConnection.objects.update(is_v2g_agreed=False)
    elif missing == "the driver's consent":
        OcpiSession.objects.update(is_discharge_allowed=False)
    elif missing == "a session":
        OcpiSession.objects.update(status="COMPLETED")
    elif missing == "the platform":  # then it is told over our own interface, which knows feeding in
        OcpiConnection.objects.update(registered_at=None, is_v2g_agreed=False)
    may = missing in {"nothing", "the platform"}

    window = Interval(at("17:00"), at("18:00"))
    plugs = plugs_at(
        group=group_at(aggregation_ean=group, instant=NOW), remaining=window, now=NOW, ignored_asset_ids=()
    )

    assert may_feed_in(asset_ids=[v2g_asset.pk]) == ({v2g_asset.pk} if may else set())
    assert plugs.view.v2g.tolist() == [may]
