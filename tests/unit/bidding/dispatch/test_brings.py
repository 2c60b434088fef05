import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.brings import Outlooks, brings_kw, own_ways_kw, within_cap_kw, without_surplus_kw


def outlooks(direction, usual_kw, most_kw, *, alone_kw=11.0, least_kw=0.0):
    count = len(usual_kw)
    return Outlooks(
        direction=direction,
        usual_kw=np.array(usual_kw),
        most_kw=np.array(most_kw),
        alone_kw=np.full(count, alone_kw),
        least_kw=np.full(count, least_kw),
    )


def test_a_car_brings_its_baseline_less_what_it_will_take():
    # held; held at its least and nearly full; feeding in; left alone, and held before: it takes back
    cars = outlooks("reduce", [11.0, 5.0, 11.0, 0.0], [11.0, 3.0, 11.0, 11.0])
    assert brings_kw(np.array([0.0, 4.0, -6.0, 11.0]), cars).tolist() == [11.0, 2.0, 17.0, -11.0]


def test_a_car_that_charges_ahead_is_left_alone_and_brings_what_it_will_take_beyond_its_baseline():
    cars = outlooks("increase", [0.0, 5.0], [11.0, 5.0])
    assert brings_kw(np.array([11.0, 11.0]), cars).tolist() == [11.0, 0.0]


@pytest.mark.parametrize(
    ("direction", "asked_kw", "cap_kw", "expected_kw"),
    [
        ("reduce", [0.0, 0.0, 0.0], 33.0, [0.0, 0.0, 0.0]),
        ("reduce", [0.0, 0.0, 0.0], 15.0, [0.0, 7.0, 11.0]),
        ("reduce", [0.0, 0.0, 0.0], 20.0, [0.0, 4.0, 11.0]),  # 2 kW is less than a car can be held at
        ("reduce", [-9.0, 0.0, 0.0], 15.0, [-4.0, 11.0, 11.0]),
        ("reduce", [0.0, 0.0, 0.0], 0.0, [11.0, 11.0, 11.0]),
    ],
)
def test_under_a_cap_the_last_gives_a_part_and_the_rest_goes_free(direction, asked_kw, cap_kw, expected_kw):
    cars = outlooks(direction, [11.0] * 3, [11.0] * 3, least_kw=4.0)
    capped = within_cap_kw(asked_kw=np.array(asked_kw), outlooks=cars, order=np.arange(3), cap_kw=cap_kw)
    assert capped.tolist() == expected_kw


def test_under_a_cap_on_an_increase_who_gives_nothing_keeps_to_its_baseline():
    cars = outlooks("increase", [0.0] * 4, [11.0] * 4, least_kw=4.0)
    for cap_kw, expected_kw in ((16.0, [0.0, 11.0, 5.0, 0.0]), (14.0, [0.0, 11.0, 0.0, 0.0])):
        capped = within_cap_kw(
            asked_kw=np.array([0.0, 11.0, 11.0, 11.0]), outlooks=cars, order=np.arange(4), cap_kw=cap_kw
        )
        assert capped.tolist() == expected_kw


@given(st.integers(0, 2**32), st.sampled_from(["reduce", "increase"]), st.floats(0.0, 300.0))
def test_no_cap_is_passed_but_by_what_nobody_asks(seed, direction, cap_kw):
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 30))
    cars = outlooks(direction, random.uniform(0.0, 11.0, count), random.uniform(0.0, 11.0, count), least_kw=1.4)
    asked_kw = np.where(random.random(count) < 0.5, 11.0, random.uniform(-11.0, 11.0, count))
    capped_kw = within_cap_kw(asked_kw=asked_kw, outlooks=cars, order=random.permutation(count), cap_kw=cap_kw)

    idle_kw = brings_kw(cars.alone_kw if direction == "reduce" else cars.usual_kw, cars)
    before_kw, after_kw = brings_kw(asked_kw, cars), brings_kw(capped_kw, cars)
    assert after_kw.sum() <= max(cap_kw, np.minimum(before_kw, idle_kw).sum()) + 1e-9
    assert (after_kw <= np.maximum(before_kw, idle_kw) + 1e-9).all()
    if before_kw.sum() <= cap_kw:
        assert capped_kw.tolist() == asked_kw.tolist()


@pytest.mark.parametrize(
    ("wished_kw", "may_go", "expected_kw"),
    [
        ([11.0, 0.0, 0.0], [False, True, True], [0.0, 0.0, 11.0]),  # the first is to go and may not: another goes
        ([11.0, 0.0, 0.0], [False, True, False], [0.0, 11.0, 0.0]),
        ([11.0, 0.0, 0.0], [False, False, False], [0.0, 0.0, 0.0]),  # nobody may
        ([11.0, 11.0, 5.0], [False, True, True], [0.0, 11.0, 11.0]),  # more is kept than is wished
        ([5.0, 0.0, 0.0], [False, True, True], [0.0, 0.0, 5.0]),
    ],
)
def test_others_go_in_place_of_those_that_a_limit_keeps(wished_kw, may_go, expected_kw):
    cars = outlooks("reduce", [11.0] * 3, [11.0] * 3, least_kw=4.0)
    left_kw = without_surplus_kw(
        asked_kw=np.zeros(3), wished_kw=np.array(wished_kw), outlooks=cars, order=np.arange(3), may_go=np.array(may_go)
    )
    assert left_kw.tolist() == pytest.approx(expected_kw, abs=0.002)


@given(st.integers(0, 2**32), st.sampled_from(["reduce", "increase"]))
def test_what_is_kept_in_place_of_others_adds_up_to_what_was_wished(seed, direction):
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 30))
    cars = outlooks(direction, random.uniform(0.0, 11.0, count), random.uniform(0.0, 11.0, count), least_kw=1.4)
    own_kw = own_ways_kw(cars)
    wished_kw = np.where(random.random(count) < 0.5, 0.0 if direction == "reduce" else 11.0, own_kw)
    may_go = random.random(count) < 0.7
    stays = ~may_go & (random.random(count) < 0.5)
    asked_kw = np.where(stays, 0.0 if direction == "reduce" else 11.0, wished_kw)
    order = random.permutation(count)

    left_kw = without_surplus_kw(asked_kw=asked_kw, wished_kw=wished_kw, outlooks=cars, order=order, may_go=may_go)

    assert np.array_equal(left_kw[~may_go], asked_kw[~may_go])
    total_kw, all_gone_kw = (float(brings_kw(one, cars).sum()) for one in (left_kw, np.where(may_go, own_kw, asked_kw)))
    wished_total_kw = float(brings_kw(wished_kw, cars).sum())
    assert total_kw <= max(wished_total_kw, all_gone_kw) + 1.4 + 0.01
    if not stays.any():
        assert np.array_equal(left_kw, wished_kw)
