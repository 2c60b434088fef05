"""How far limits let assets be moved together."""

import numpy as np
import pytest

from assets.control.scope_limits import FLEET_DEFAULT, ScopeKind, ScopeLimit, most_moved_w

KEYS = {
    ScopeKind.GROUP: np.array(["g", "g", "g", "g"]),
    ScopeKind.PARTNER: np.array(["1", "1", "2", "2"]),
    ScopeKind.CONNECTION: np.array(["car park", "car park", "car park", ""]),
}
RATED_W = np.array([11_000, 11_000, 22_000, 100_000])


@pytest.mark.parametrize(
    ("limits", "most_w"),
    [
        ([], 144_000),
        ([FLEET_DEFAULT], 144_000),
        ([ScopeLimit(ScopeKind.FLEET, max_moved_w=90_000)], 90_000),
        ([ScopeLimit(ScopeKind.GROUP, "g", max_moved_w=60_000)], 60_000),
        ([ScopeLimit(ScopeKind.GROUP, "another", max_moved_w=60_000)], 144_000),
        ([ScopeLimit(ScopeKind.CONNECTION, "car park", max_moved_w=30_000)], 130_000),
        ([ScopeLimit(ScopeKind.PARTNER, "1", max_moved_w=0), ScopeLimit(ScopeKind.PARTNER, "2", max_moved_w=5)], 5),
        # limits of two kinds may hold back the same assets: the tightest kind is what is sure to bind
        (
            [
                ScopeLimit(ScopeKind.PARTNER, "2", max_moved_w=100_000),
                ScopeLimit(ScopeKind.GROUP, "g", max_moved_w=120_000),
            ],
            120_000,
        ),
        # all of an order begins at one moment, within a step and a slope
        ([ScopeLimit(ScopeKind.FLEET, max_step_w=50_000)], 50_000),
        ([ScopeLimit(ScopeKind.FLEET, max_ramp_w_per_minute=20_000, ramp_s=120)], 40_000),
    ],
)
def test_the_tightest_limit_says_how_far_assets_are_moved_together(limits, most_w):
    assert most_moved_w(limits=limits, keys=KEYS, taken_w=RATED_W, fed_in_w=np.zeros_like(RATED_W)) == most_w


@pytest.mark.parametrize(
    ("most", "most_w"),
    [
        ({}, 166_000),
        ({"max_export_w": 0}, 144_000),
        ({"max_export_w": 12_000}, 156_000),
        ({"max_import_w": 30_000}, 152_000),
        ({"max_import_w": 30_000, "max_export_w": 0}, 130_000),
        ({"max_moved_w": 20_000, "max_export_w": 0}, 120_000),
    ],
)
def test_what_is_taken_and_what_is_fed_in_have_each_a_limit_of_the_connection(most, most_w):
    limits = [ScopeLimit(ScopeKind.CONNECTION, "car park", **most)]
    fed_in_w = np.array([11_000, 11_000, 0, 0])
    assert most_moved_w(limits=limits, keys=KEYS, taken_w=RATED_W, fed_in_w=fed_in_w) == most_w
