import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.forecast.baselines import PriceCurve
from bidding.forecast.capacity import Sessions, window_capacity
from bidding.forecast.sessions import SessionTable
from bidding.optimisation.interface import ChargerTraits, WindowSpec
from bidding.replay.fleet import window_fleet
from bidding.replay.perfect_information import perfect_information_kw

EDGES_S = np.arange(0, 5) * 900 + 36_000_000
START_S = int(EDGES_S[0])
HOUR_S = 3600


def car(*, comes_h, leaves_h, energy_kwh, power_kw=8.0, floor_kw=0.0, v2g=False):
    return Sessions(
        plug_in_s=np.array([START_S + int(comes_h * HOUR_S)]),
        plug_out_s=np.array([START_S + int(leaves_h * HOUR_S)]),
        energy_kwh=np.array([energy_kwh]),
        power_kw=np.array([power_kw]),
        floor_kw=np.array([floor_kw]),
        v2g=np.array([v2g]),
    )


def held_kw(sessions):
    return window_capacity(sessions, edges_s=EDGES_S, direction="reduce").capacity_kw[0].tolist()


def test_a_charging_car_with_time_to_spare_gives_all_it_draws():
    assert held_kw(car(comes_h=-1, leaves_h=12, energy_kwh=40)) == pytest.approx([8, 8, 8, 8])


def test_a_car_gives_only_what_the_time_after_the_window_makes_up_for():
    # after the window there is half an hour, enough for half of the 8 kWh
    assert held_kw(car(comes_h=0, leaves_h=1.5, energy_kwh=8)) == pytest.approx([8, 8, 0, 0])


def test_a_full_car_gives_nothing():
    assert held_kw(car(comes_h=-2, leaves_h=12, energy_kwh=8)) == pytest.approx([0, 0, 0, 0])


def test_a_car_that_cannot_pause_keeps_its_floor_and_takes_it_longer():
    # 2 kWh left at 8 kW: the baseline is done after one PTU, the floor of 2 kW draws on
    assert held_kw(car(comes_h=-1, leaves_h=12, energy_kwh=10, floor_kw=2.0)) == pytest.approx([6, -2, -2, -2])


def test_a_full_v2g_car_gives_back_what_it_charged_less_losses_spread_evenly():
    assert held_kw(car(comes_h=-2, leaves_h=12, energy_kwh=4, v2g=True)) == pytest.approx([4 * 0.87] * 4)


def test_a_v2g_car_is_limited_by_its_rating():
    assert held_kw(car(comes_h=-8, leaves_h=12, energy_kwh=40, v2g=True)) == pytest.approx([8, 8, 8, 8])


def test_a_car_that_leaves_inside_the_window_is_left_alone():
    assert held_kw(car(comes_h=-1, leaves_h=0.5, energy_kwh=12, v2g=True)) == pytest.approx([0, 0, 0, 0])


def test_increase_is_what_the_plan_leaves_for_later():
    prices = PriceCurve(
        starts_s=START_S - 4 * HOUR_S, eur_per_mwh=np.concatenate([np.full(24, 90.0), np.full(48, 10.0)])
    )
    capacity = window_capacity(
        car(comes_h=-1, leaves_h=10, energy_kwh=4), edges_s=EDGES_S, direction="increase", prices=prices
    )
    assert capacity.capacity_kw[0].tolist() == pytest.approx([4, 4, 4, 4])


@st.composite
def fleets(draw):
    cars = draw(st.integers(1, 6))
    rows = []
    for number in range(cars):
        comes = draw(st.integers(-24, 3)) * 900
        stays = draw(st.integers(1, 60)) * 900
        power = draw(st.sampled_from([3.7, 7.4, 11.0]))
        share = draw(st.floats(0.05, 1.0))
        rows.append((f"C{number}", START_S + comes, START_S + comes + stays, share * power * stays / HOUR_S, power))
    return rows, draw(st.booleans())


@settings(max_examples=150, deadline=None)
@given(
    fleet=fleets(),
    direction=st.sampled_from(["reduce", "increase"]),
    floor_kw=st.sampled_from([0.0, 1.38]),
    baseline=st.sampled_from(["arrival", "price"]),
    seed=st.integers(0, 1000),
)
def test_sum_over_cars_is_never_above_the_linear_programme(fleet, direction, floor_kw, baseline, seed):
    rows, v2g = fleet
    names, starts, ends, energy, power = zip(*rows, strict=True)
    table = SessionTable.from_columns(
        charger_ids=names, plug_in_s=starts, plug_out_s=ends, energy_kwh=energy, power_kw=power
    )
    traits = ChargerTraits(floor_kw=np.full(len(rows), floor_kw), v2g=np.full(len(rows), v2g))
    prices = None
    if baseline == "price":
        first_s = START_S - 86_400
        prices = PriceCurve(starts_s=first_s, eur_per_mwh=np.random.default_rng(seed).uniform(0, 100, 3 * 96))
    window = WindowSpec(
        starts_s=START_S,
        ends_s=int(EDGES_S[-1]),
        direction=direction,
        baseline=baseline,
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
    ours_kw = window_capacity(sessions, edges_s=EDGES_S, direction=direction, prices=prices).capacity_kw.sum(axis=0)
    best_kw = perfect_information_kw(
        window_fleet(table, window=window, traits=traits, prices=prices), direction=direction
    )
    assert ours_kw.min() <= best_kw + 1e-6
