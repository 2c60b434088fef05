"""Pair clearing against enumeration of every possible answer, and the outcomes a participant can meet."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_gopacs.clearing import BookOrder, Problem, clear, cost_cents_kw_per_mwh, forced_steps


def sell_inside(key, steps, price_cents, ptus=(0, 1), forced=None):
    return BookOrder(key, is_inside=True, is_sell=True, steps=steps, price_cents_per_mwh=price_cents,
                     first_ptu=ptus[0], end_ptu=ptus[1], forced_steps=forced)  # fmt: skip


def buy_outside(key, steps, price_cents, ptus=(0, 1)):
    return BookOrder(key, is_inside=False, is_sell=False, steps=steps, price_cents_per_mwh=price_cents,
                     first_ptu=ptus[0], end_ptu=ptus[1])  # fmt: skip


def cleared(book, *, required_kw, maximum_spread=40_000):
    result = clear(book, Problem(tuple(required_kw), maximum_spread), time_limit_seconds=10)
    assert result.solver_status == "OPTIMAL"
    return dict(result.steps)


def test_the_cheapest_sell_is_cleared_in_full_the_next_in_part_and_the_dearest_not_at_all():
    # given a need of 500 kW and three sells of 300 kW
    book = [
        sell_inside("dear", 3, 30_000),
        sell_inside("cheap", 3, 10_000),
        sell_inside("middle", 3, 20_000),
        buy_outside("counter", 9, 5_000),
    ]
    # when it is cleared
    # then the merit order decides
    assert cleared(book, required_kw=[500]) == {"cheap": 3, "middle": 2, "counter": 5}


def test_without_a_counter_order_nothing_is_cleared():
    assert cleared([sell_inside("lonely", 5, 10_000)], required_kw=[500]) == {}


def test_a_counter_order_in_other_ptus_does_not_help():
    book = [sell_inside("inside", 5, 10_000, (0, 2)), buy_outside("half", 5, 9_000, (0, 1))]
    assert cleared(book, required_kw=[500, 500]) == {}


def test_blocks_outside_are_combined_to_balance_a_longer_order_inside():
    book = [
        sell_inside("inside", 2, 10_000, (0, 2)),
        buy_outside("first half", 5, 6_000, (0, 1)),
        buy_outside("second half", 5, 7_000, (1, 2)),
    ]
    assert cleared(book, required_kw=[200, 200]) == {"inside": 2, "first half": 2, "second half": 2}


def test_a_pair_dearer_than_the_operator_pays_is_left_alone():
    book = [sell_inside("inside", 5, 50_000), buy_outside("outside", 5, 9_999)]
    assert cleared(book, required_kw=[500], maximum_spread=40_000) == {}
    assert cleared(book, required_kw=[500], maximum_spread=40_002) == {"inside": 5, "outside": 5}


def test_a_negative_spread_does_not_clear_more_than_the_problem_needs():
    # given a sell far below a buy: the operator would gain on every kW
    book = [sell_inside("inside", 9, 1_000), buy_outside("outside", 9, 8_000)]
    assert cleared(book, required_kw=[300]) == {"inside": 3, "outside": 3}


def test_equal_prices_go_to_the_earlier_order():
    book = [sell_inside("early", 3, 10_000), sell_inside("late", 3, 10_000), buy_outside("counter", 9, 5_000)]
    assert cleared(book, required_kw=[400]) == {"early": 3, "late": 1, "counter": 4}


def test_feed_in_congestion_is_the_mirror_image():
    book = [
        BookOrder("inside", is_inside=True, is_sell=False, steps=4, price_cents_per_mwh=2_000, first_ptu=0, end_ptu=1),
        BookOrder("outside", is_inside=False, is_sell=True, steps=4, price_cents_per_mwh=9_000, first_ptu=0, end_ptu=1),
    ]
    assert cleared(book, required_kw=[300]) == {"inside": 3, "outside": 3}


def test_a_forced_outcome_holds_whatever_prices_say_and_counts_towards_the_need():
    book = [
        sell_inside("forced part", 4, 90_000, forced=2),
        sell_inside("forced out", 4, 1, forced=0),
        sell_inside("free", 4, 10_000),
        buy_outside("counter", 9, 5_000),
    ]
    assert cleared(book, required_kw=[500]) == {"forced part": 2, "free": 3, "counter": 3}


def test_a_need_that_is_no_multiple_of_the_step_is_covered_when_that_pays():
    book = [sell_inside("inside", 9, 10_000), buy_outside("outside", 9, 5_000)]
    # 250 kW: the third step relieves 50 kW worth 400 EUR/MWh each and costs 100 kW at a spread of 50 EUR/MWh
    assert cleared(book, required_kw=[250]) == {"inside": 3, "outside": 3}
    # 201 kW: 1 kW of relief does not pay for a step
    assert cleared(book, required_kw=[201]) == {"inside": 2, "outside": 2}


def test_an_empty_book_is_an_answer():
    assert cleared([], required_kw=[500, 500]) == {}


@pytest.mark.parametrize(
    ("steps", "share", "expected"),
    [(5, "1", 5), (5, "0", 0), (5, "0.5", 2), (2, "0.5", 1), (2, "0.1", 1), (1, "0.5", 0), (10, "0.99", 9)],
)
def test_forced_steps(steps, share, expected):
    assert forced_steps(steps, Decimal(share)) == expected


@st.composite
def books(draw):
    ptu_count = draw(st.integers(1, 3))
    orders = []
    for index in range(draw(st.integers(0, 5))):
        first = draw(st.integers(0, ptu_count - 1))
        is_inside = draw(st.booleans())
        orders.append(
            BookOrder(
                key=f"order {index}",
                is_inside=is_inside,
                is_sell=is_inside,
                steps=draw(st.integers(1, 3)),
                price_cents_per_mwh=draw(st.integers(-3, 12)) * 1_000,
                first_ptu=first,
                end_ptu=draw(st.integers(first + 1, ptu_count)),
            )
        )
    required = tuple(draw(st.lists(st.integers(0, 8).map(lambda n: n * 50), min_size=ptu_count, max_size=ptu_count)))
    return orders, Problem(required, draw(st.integers(0, 10)) * 1_000)


def is_balanced(book, steps, ptu_count):
    surplus = [0] * ptu_count
    for order in book:
        for ptu in range(order.first_ptu, order.end_ptu):
            surplus[ptu] += (1 if order.is_inside else -1) * steps.get(order.key, 0)
    return not any(surplus)


@settings(max_examples=60, deadline=None)
@given(books())
def test_no_other_balanced_answer_is_cheaper(case):
    book, problem = case
    # when
    result = clear(book, problem, time_limit_seconds=10)
    # then it is balanced and costs as little as the best of all balanced answers
    ptu_count = len(problem.required_kw)
    assert is_balanced(book, result.steps, ptu_count)
    keys = [order.key for order in book]
    every_volume = product(*(range(order.steps + 1) for order in book))
    every_answer = [dict(zip(keys, volumes, strict=True)) for volumes in every_volume]
    costs = [
        cost_cents_kw_per_mwh(book, problem, steps) for steps in every_answer if is_balanced(book, steps, ptu_count)
    ]
    assert cost_cents_kw_per_mwh(book, problem, result.steps) == min(costs)


@settings(max_examples=20, deadline=None)
@given(books())
def test_the_same_book_gives_the_same_answer(case):
    book, problem = case
    assert clear(book, problem, time_limit_seconds=10) == clear(book, problem, time_limit_seconds=10)
