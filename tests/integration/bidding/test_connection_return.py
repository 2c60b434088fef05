"""After a window the cars behind one connection start again within what it carries, as far as is known."""

from collections import Counter

import pytest

from assets.models import Asset, AssetState, Setpoint, SteeringLimit
from bidding.dispatch.operations import run_activation
from tests.field_side import charger, make_assets, make_partner
from tests.integration.bidding.evening import BEFORE, STARTS_AT

CONNECTION = "871685900000000016"
ENDS = 12


def let_go(activation):
    """Return how many cars behind the connection are let go so many quarter hours after the window."""
    run_activation(activation_id=activation.pk, now=BEFORE)
    held = Setpoint.objects.filter(
        asset__connection_ean=CONNECTION, asset__in=activation.duties.values("asset"), starts_at=STARTS_AT, power_w__0=0
    )
    return Counter(len(one.power_w) - ENDS for one in held)


@pytest.mark.parametrize(("max_import_w", "others_w", "at_once"), [(33_000, 0, 3), (44_000, 0, 4), (44_000, 11_000, 3)])
def test_held_cars_are_let_go_within_what_others_leave_of_their_connection(
    activation, fleet, max_import_w, others_w, at_once
):
    """Six cars with two hours to charge can wait three."""
    SteeringLimit.objects.create(connection_ean=CONNECTION, max_import_w=max_import_w, reason="the fuse")
    [other] = make_assets(make_partner("Deelstroom"), [charger("other")])
    Asset.objects.filter(pk__in=[asset.pk for asset in (*fleet[:6], other)]).update(connection_ean=CONNECTION)
    AssetState.objects.create(asset=other, at=BEFORE, power_w=others_w)

    went = let_go(activation)

    assert went == {0: at_once, 8: 6 - at_once}
