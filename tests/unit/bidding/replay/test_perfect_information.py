import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.replay.perfect_information import perfect_information_kw
from tests.unit.bidding.replay.builders import fleet


def test_a_car_that_can_catch_up_is_worth_its_whole_baseline():
    cars = fleet((-1, 10, 40, 7))
    assert perfect_information_kw(cars, direction="reduce") == pytest.approx(7.0)


def test_a_car_that_leaves_at_the_end_without_slack_is_worth_nothing():
    cars = fleet((0, 2, 14, 7))
    assert perfect_information_kw(cars, direction="reduce") == pytest.approx(0.0, abs=1e-6)


def test_what_must_be_charged_inside_is_spread_over_the_ptus():
    """28 kWh at 7 kW from the start, leaving an hour after a two-hour window: 7 kWh late, so 7 of 14 kWh inside."""
    cars = fleet((0, 3, 14, 7))
    assert perfect_information_kw(cars, direction="reduce") == pytest.approx(3.5)


def test_a_partial_quarter_hour_counts_for_its_fraction():
    cars = fleet((0.1, 10, 40, 7), ptus=1)
    assert perfect_information_kw(cars, direction="reduce") == pytest.approx(7 * (0.25 - 0.1) / 0.25)


def test_a_car_that_cannot_pause_keeps_its_floor():
    cars = fleet((-1, 10, 40, 7), floor_kw=1.38)
    assert perfect_information_kw(cars, direction="reduce") == pytest.approx(7 - 1.38)


def test_a_full_v2g_car_feeds_in_until_it_is_back_at_its_arrival_charge():
    """7 kWh in, of which 87 % comes back: 6.09 kWh over two hours."""
    cars = fleet((-3, 10, 7, 7), v2g=True)
    assert perfect_information_kw(cars, direction="reduce") == pytest.approx(7 * 0.87 / 2)


def test_charging_on_arrival_leaves_nothing_to_increase():
    cars = fleet((-1, 10, 40, 7), (-5, 10, 3, 7))
    assert perfect_information_kw(cars, direction="increase") == pytest.approx(0.0, abs=1e-9)


linprog = pytest.importorskip("scipy.optimize", reason="the peer solver is in the forecast extra").linprog


def _by_direct_programme(cars, v2g):
    """The same question asked plainly, without presolve, from another solver."""
    n, ptus = cars.present_h.shape
    most = cars.power_kw[:, None] * cars.present_h
    size = n * ptus
    cost = np.zeros(1 + 2 * size)
    cost[0] = -1
    rows, limits = [], []
    for ptu in range(ptus):
        row = np.zeros(1 + 2 * size)
        row[0] = 1.0
        row[1 + ptu : 1 + size : ptus] = 1.0
        row[1 + size + ptu :: ptus] = -1.0
        rows.append(row)
        limits.append(cars.baseline_kwh[:, ptu].sum())
    for car in range(n):
        start = 1 + car * ptus
        for ptu in range(ptus):
            level = np.zeros(1 + 2 * size)
            level[start : start + ptu + 1] = 1.0
            level[start + size : start + size + ptu + 1] = -1 / 0.87
            rows += [level, -level]
            limits += [cars.energy_kwh[car] - cars.before_kwh[car], cars.before_kwh[car]]
        rows.append(-level)
        limits.append(cars.power_kw[car] * cars.after_h[car] - cars.energy_kwh[car] + cars.before_kwh[car] + 1e-9)
    out = np.where(v2g[:, None], most, 0.0)
    bounds = [(None, None), *((0, b) for b in most.ravel()), *((0, b) for b in out.ravel())]
    solved = linprog(cost, A_ub=np.array(rows), b_ub=np.array(limits), bounds=bounds, method="highs")
    assert solved.status == 0
    return -solved.fun / cars.ptu_h


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(-6, 1.9), st.floats(0.05, 8), st.floats(0, 1), st.sampled_from([3.7, 7.4, 11.0]), st.booleans()
        ),
        min_size=1,
        max_size=6,
    )
)
def test_the_presolved_programme_equals_the_direct_one(drawn):
    cars = [(a, max(a, 0) + s, share * power * (max(a, 0) + s - a), power) for a, s, share, power, _ in drawn]
    flags = [car[-1] for car in drawn]
    group = fleet(*cars, v2g=flags)
    expected = _by_direct_programme(group, group.v2g)
    assert perfect_information_kw(group, direction="reduce") == pytest.approx(max(expected, 0), abs=1e-5)
