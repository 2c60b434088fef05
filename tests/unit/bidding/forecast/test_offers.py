"""What the cars of a scenario offer together: equal to the linear programme for one-way cars, never above it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.forecast.baselines import PriceCurve
from bidding.forecast.drawn_sessions import Sessions
from bidding.forecast.offer_totals import OfferTotals
from bidding.forecast.offers import Blocks, Room
from bidding.forecast.sessions import SessionTable
from bidding.optimisation.interface import ChargerTraits, WindowSpec
from bidding.replay.fleet import window_fleet
from bidding.replay.perfect_information import perfect_information_kw

START_S = 36_000_000
HOUR_S = 3600


def edges_s(ptus):
    return START_S + 900 * np.arange(ptus + 1, dtype=np.int64)


def cars(*, comes_h, leaves_h, energy_kwh, power_kw=8.0, floor_kw=0.0, v2g=False):
    comes_h, leaves_h, energy_kwh, power_kw, floor_kw, v2g = map(
        np.atleast_1d, np.broadcast_arrays(comes_h, leaves_h, energy_kwh, power_kw, floor_kw, v2g)
    )
    return Sessions(
        plug_in_s=START_S + (comes_h * HOUR_S).astype(np.int64),
        plug_out_s=START_S + (leaves_h * HOUR_S).astype(np.int64),
        energy_kwh=energy_kwh.astype(float),
        power_kw=power_kw.astype(float),
        floor_kw=floor_kw.astype(float),
        v2g=v2g,
    )


def offer_of(sessions, *, ptus=4, direction="reduce", prices=None, scenario=None, scenarios=1):
    totals = OfferTotals(edges_s(ptus), direction=direction, scenarios=scenarios, prices=prices)
    totals.add(sessions, np.zeros(len(sessions), dtype=np.int64) if scenario is None else np.asarray(scenario))
    return totals.offer()


def room_of(sessions, *, ptus=4, direction="reduce", added_kw=0.0, **given):
    offer = offer_of(sessions, ptus=ptus, direction=direction, **given)
    return Room.of(offer, Blocks(ptus, 0.25), direction, added_kw=added_kw)


def held_kw(sessions, **given):
    return room_of(sessions, **given).least_kw.tolist()


def test_a_charging_car_with_time_to_spare_gives_all_it_draws():
    assert held_kw(cars(comes_h=-1, leaves_h=12, energy_kwh=40)) == pytest.approx([8])


def test_cars_take_turns_in_what_the_time_after_the_window_makes_up_for():
    """Of 8 kWh each, 4 can wait until after the window: alone and together half the power in every PTU."""
    car = {"comes_h": 0, "leaves_h": 1.5, "energy_kwh": 8}
    assert held_kw(cars(**car)) == pytest.approx([4])
    assert held_kw(cars(**car | {"comes_h": [0, 0]})) == pytest.approx([8])


def test_a_full_car_gives_nothing():
    assert held_kw(cars(comes_h=-2, leaves_h=12, energy_kwh=8)) == pytest.approx([0])


def test_a_car_that_cannot_pause_keeps_its_floor():
    assert held_kw(cars(comes_h=-1, leaves_h=12, energy_kwh=40, floor_kw=2.0)) == pytest.approx([6])


def test_a_car_that_cannot_pause_and_is_nearly_full_is_left_alone():
    """1.5 kWh left at 8 kW: at its floor of 2 kW it would still draw when it would have been full."""
    assert held_kw(cars(comes_h=-1, leaves_h=12, energy_kwh=9.5, floor_kw=2.0)) == pytest.approx([0])


def test_a_full_v2g_car_gives_back_what_it_charged_less_losses():
    assert held_kw(cars(comes_h=-2, leaves_h=12, energy_kwh=4, v2g=True)) == pytest.approx([4 * 0.87])


def test_v2g_cars_fill_each_others_gaps():
    """One draws in the first two PTUs and stops; the other then gives in the last two what it would spread alone."""
    charging, full = {"comes_h": -1, "energy_kwh": 12}, {"comes_h": -1, "energy_kwh": 4, "power_kw": 16}
    both = cars(comes_h=-1, leaves_h=12, energy_kwh=[12, 4], power_kw=[8, 16], v2g=[False, True])
    alone = [held_kw(cars(leaves_h=12, **car, v2g=car is full))[0] for car in (charging, full)]
    assert alone == pytest.approx([0, 3.48])
    assert held_kw(both) == pytest.approx([2 * 3.48])


def test_a_v2g_car_is_limited_by_its_rating():
    assert held_kw(cars(comes_h=-8, leaves_h=12, energy_kwh=40, v2g=True)) == pytest.approx([8])


def test_a_car_that_leaves_inside_the_window_is_left_alone():
    assert held_kw(cars(comes_h=-1, leaves_h=0.5, energy_kwh=12, v2g=True)) == pytest.approx([0])


def test_a_car_within_a_block_of_a_long_window_takes_what_its_own_ptu_has():
    """Half of its block's mean would be too little: in the second PTU of 16 only this car draws, and it must."""
    passing, charged, charging = (-1, 12, 10), (0.25, 0.5, 2), (0.5, 12, 40)
    comes_h, leaves_h, energy_kwh = np.array([passing, charged, charging]).T
    assert held_kw(cars(comes_h=comes_h, leaves_h=leaves_h, energy_kwh=energy_kwh), ptus=16) == pytest.approx([0])


def test_increase_is_what_the_plan_leaves_for_later():
    prices = PriceCurve(START_S - 4 * HOUR_S, np.concatenate([np.full(24, 90.0), np.full(48, 10.0)]))
    car = cars(comes_h=-1, leaves_h=10, energy_kwh=4)
    assert held_kw(car, direction="increase", prices=prices) == pytest.approx([4])


def test_other_assets_add_to_every_ptu():
    car = cars(comes_h=-1, leaves_h=12, energy_kwh=40)
    assert held_kw(car, added_kw=np.array([[2.0, 3.0, 4.0, 5.0]])) == pytest.approx([10])


def test_scenarios_are_kept_apart_and_in_any_order():
    three = cars(comes_h=-1, leaves_h=12, energy_kwh=40, power_kw=[4, 6, 8])
    assert held_kw(three, scenario=[1, 0, 1], scenarios=3) == pytest.approx([6, 12, 0])


@pytest.mark.parametrize("ptus", [4, 16])
def test_parts_add_up_to_the_whole(ptus):
    one = cars(comes_h=[-1, -3, 0.3], leaves_h=[2, 12, 5], energy_kwh=[10, 20, 9], v2g=[False, True, False])
    other = cars(comes_h=[-0.5, 0], leaves_h=[1.25, 3], energy_kwh=[9, 14], floor_kw=1.38)
    battery_kw = np.resize([3.0, 1.0, 2.0, 2.0], (1, ptus))
    parts = offer_of(one, ptus=ptus), offer_of(other, ptus=ptus)
    room = Room.of(parts[0] + parts[1], Blocks(ptus, 0.25), "reduce", added_kw=battery_kw)
    first = np.array([0])
    shares = [room.part_kw(part, first)[0] for part in parts] + [room.mean_kw(battery_kw / 4, first)[0]]
    assert sum(shares) == pytest.approx(room.least_kw[0])


def test_what_limits_is_told():
    offer = offer_of(cars(comes_h=[-1, -1, 0.5], leaves_h=[1, 12, 12], energy_kwh=[15, 12, 4], floor_kw=[0, 2, 0]))
    assert offer.rated_kwh[0].tolist() == pytest.approx([4, 4, 6, 6])
    assert offer.departures_kw.tolist() == pytest.approx([7])
    assert offer.pause_floor_kw.tolist() == pytest.approx([2])


@st.composite
def fleets(draw):
    rows = []
    for number in range(draw(st.integers(1, 6))):
        comes = draw(st.integers(-24, 3)) * 900
        stays = draw(st.integers(1, 60)) * 900
        power = draw(st.sampled_from([3.7, 7.4, 11.0]))
        share = draw(st.floats(0.05, 1.0))
        rows.append((f"C{number}", START_S + comes, START_S + comes + stays, share * power * stays / HOUR_S, power))
    return rows


def both_kw(rows, *, ptus=4, direction="reduce", floor_kw=0.0, v2g=False, prices=None):
    """The offer, and the linear programme."""
    names, starts, ends, energy, power = zip(*rows, strict=True)
    table = SessionTable.from_columns(
        charger_ids=names, plug_in_s=starts, plug_out_s=ends, energy_kwh=energy, power_kw=power
    )
    traits = ChargerTraits(floor_kw=np.full(len(rows), floor_kw), v2g=np.full(len(rows), v2g))
    window = WindowSpec(
        starts_s=START_S,
        ends_s=int(edges_s(ptus)[-1]),
        direction=direction,
        baseline="arrival" if prices is None else "price",
        reliability=0.9,
        min_bid_kw=1,
        step_kw=1,
    )
    sessions = Sessions(
        plug_in_s=table.plug_in_s,
        plug_out_s=table.plug_out_s,
        energy_kwh=table.energy_kwh,
        power_kw=table.power_kw,
        floor_kw=traits.floor_kw,
        v2g=traits.v2g,
    )
    fleet = window_fleet(table, window=window, traits=traits, prices=prices)
    offered = held_kw(sessions, ptus=ptus, direction=direction, prices=prices)[0]
    return offered, perfect_information_kw(fleet, direction=direction)


def random_prices(seed):
    return PriceCurve(START_S - 86_400, np.random.default_rng(seed).uniform(0, 100, 3 * 96))


@settings(max_examples=150, deadline=None)
@given(rows=fleets(), direction=st.sampled_from(["reduce", "increase"]), seed=st.integers(0, 1000) | st.none())
def test_one_way_cars_offer_exactly_what_the_linear_programme_finds(rows, direction, seed):
    prices = None if seed is None else random_prices(seed)
    offered_kw, best_kw = both_kw(rows, direction=direction, prices=prices)
    assert max(offered_kw, 0.0) == pytest.approx(best_kw, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(
    rows=fleets(),
    ptus=st.sampled_from([4, 12, 13, 30]),
    direction=st.sampled_from(["reduce", "increase"]),
    floor_kw=st.sampled_from([0.0, 1.38]),
    v2g=st.booleans(),
    seed=st.integers(0, 1000) | st.none(),
)
def test_no_offer_is_above_the_linear_programme(rows, ptus, direction, floor_kw, v2g, seed):
    prices = None if seed is None else random_prices(seed)
    offered_kw, best_kw = both_kw(rows, ptus=ptus, direction=direction, floor_kw=floor_kw, v2g=v2g, prices=prices)
    assert offered_kw <= best_kw + 1e-6


@st.composite
def relays(draw):
    """Cars of which one is full when the next comes, somewhere in a long window, and others; that one has no time."""
    rows = draw(st.just([]) | fleets())
    power = draw(st.sampled_from([3.7, 7.4, 11.0]))
    full, gone = sorted(draw(st.lists(st.integers(1, 12), min_size=2, max_size=2, unique=True)))
    for name, comes, leaves, charged in (("R0", -4, 200, full), ("R1", full, gone, gone), ("R2", gone, 200, 100)):
        energy_kwh = (charged - comes) * 0.25 * power
        rows.append((name, START_S + 900 * comes, START_S + 900 * leaves, energy_kwh, power))
    return rows


@settings(max_examples=100, deadline=None)
@given(rows=relays(), ptus=st.sampled_from([13, 16, 30]), floor_kw=st.sampled_from([0.0, 1.38]), v2g=st.booleans())
def test_no_offer_of_cars_within_blocks_is_above_the_linear_programme(rows, ptus, floor_kw, v2g):
    offered_kw, best_kw = both_kw(rows, ptus=ptus, floor_kw=floor_kw, v2g=v2g)
    assert offered_kw <= best_kw + 1e-6
