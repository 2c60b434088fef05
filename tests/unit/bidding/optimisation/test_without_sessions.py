import json
from dataclasses import replace

import numpy as np
import pytest

from bidding.optimisation.interface import WindowSpec
from bidding.optimisation.sizing import Contribution, size_window
from bidding.optimisation.track_record import PlacedBid
from tests.unit.bidding.forecast.fleets import instant_s

STARTS_S = instant_s(50, 18)
WINDOW = WindowSpec(
    starts_s=STARTS_S,
    ends_s=STARTS_S + 3600,
    direction="reduce",
    baseline="arrival",
    reliability=0.9,
    min_bid_kw=100.0,
    step_kw=100.0,
)
BATTERY = Contribution("battery", np.full(4, 250.0))


def size(*contributions, window=WINDOW, placed=()):
    return size_window(
        window=window, now_s=STARTS_S - 3600, timezone="UTC", groups=[], contributions=contributions, placed=placed
    )


def promises(kept):
    return [PlacedBid(STARTS_S - 86_400 * day, 200.0, 0.9, is_kept) for day, is_kept in enumerate(kept, start=1)][::-1]


def test_a_battery_alone_sells_what_it_can_move_in_whole_steps():
    bid = size(BATTERY)
    assert bid.bid_kw == 200.0
    assert json.loads(json.dumps(bid.explanation))["categories"] == [
        {"name": "battery", "plugged_in_kw": 250.0, "arrivals_kw": 0.0}
    ]


def test_a_battery_alone_sells_no_more_than_is_allowed():
    capped = size(BATTERY, window=replace(WINDOW, max_bid_kw=199.0))
    assert (capped.bid_kw, capped.explanation["limited_by"]) == (100.0, "maximum_bid")
    none = size(BATTERY, window=replace(WINDOW, max_bid_kw=99.0))
    assert (none.bid_kw, none.explanation["limited_by"]) == (0.0, "maximum_bid")


def test_the_weakest_quarter_hour_counts_over_all_assets_together():
    heat = Contribution("heat", np.array([0.0, 60.0, 60.0, 60.0]))
    assert size(BATTERY, heat).bid_kw == 200.0
    assert size(Contribution("battery", np.array([250.0, 250.0, 90.0, 250.0])), heat).bid_kw == 100.0


def test_of_uncertain_cases_the_unlikely_ones_are_not_sold():
    cases_kw = np.repeat(np.linspace(0, 1000, 200)[:, None], 4, axis=1)
    sold = [
        size(Contribution("heat", cases_kw), window=replace(WINDOW, reliability=share)).bid_kw for share in (0.5, 0.8)
    ]
    assert sold[0] == pytest.approx(500.0, abs=100.0)
    assert sold[1] == pytest.approx(200.0, abs=100.0)
    assert sold[1] < sold[0]


def test_under_the_minimum_there_is_no_bid():
    bid = size(Contribution("battery", np.full(4, 99.0)))
    assert (bid.bid_kw, bid.explanation["limited_by"]) == (0.0, "minimum_bid")


def test_a_group_that_breaks_its_promises_sells_nothing_until_a_person_has_looked():
    assert size(BATTERY, placed=promises([True] * 9 + [False])).bid_kw == 200.0
    broken = size(BATTERY, placed=promises([True, False] * 8))
    assert (broken.bid_kw, broken.explanation["limited_by"]) == (0.0, "record")
    assert "kept 50.0%" in broken.explanation["reason"]
