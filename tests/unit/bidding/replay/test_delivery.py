import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.dispatch.allocation.urgency import UrgencyPolicy
from bidding.forecast.declarations import Declarations
from bidding.replay.delivery import WindowPlay
from bidding.replay.perfect_information import perfect_information_kw
from tests.unit.bidding.replay.builders import fleet, told_outlook


def _play(cars, *, declared=None, direction="reduce", baseline="arrival"):
    return WindowPlay(
        fleet=cars,
        outlook=told_outlook(cars),
        policy=UrgencyPolicy(),
        direction=direction,
        baseline=baseline,
        declared=declared,
    )


def test_a_car_held_back_delivers_its_baseline_and_catches_up():
    delivery = _play(fleet((-1, 10, 40, 7))).deliver(7.0)
    np.testing.assert_allclose(delivery.delivered_kw, np.full(8, 7.0))
    assert delivery.unserved_kwh == 0.0
    assert delivery.keeps(7.0)


def test_a_promise_of_one_car_leaves_the_other_alone():
    delivery = _play(fleet((-1, 10, 40, 7), (-1, 10, 40, 7))).deliver(6.0)
    np.testing.assert_allclose(delivery.delivered_kw, np.full(8, 7.0))


def test_a_car_without_slack_charges_whatever_was_promised():
    delivery = _play(fleet((0, 2, 14, 7))).deliver(7.0)
    np.testing.assert_allclose(delivery.delivered_kw, np.zeros(8), atol=1e-9)
    assert delivery.unserved_kwh == 0.0
    assert not delivery.keeps(1.0)
    assert delivery.shortfall_kwh(1.0, ptu_h=0.25) == pytest.approx(2.0)


def test_a_surprise_departure_is_counted_as_unserved():
    """Expected to stay ten hours, gone at the end of the window: 14 kWh were held back and never charged."""
    cars = fleet((0, 2, 14, 7))
    outlook = told_outlook(fleet((0, 10, 14, 7)))
    play = WindowPlay(fleet=cars, outlook=outlook, policy=UrgencyPolicy(), direction="reduce", baseline="arrival")
    assert play.deliver(7.0).unserved_kwh == pytest.approx(14.0)


def test_a_car_that_comes_inside_a_ptu_follows_its_baseline_until_the_next():
    delivery = _play(fleet((0.1, 10, 40, 7))).deliver(7.0)
    np.testing.assert_allclose(delivery.delivered_kw, [0.0, *[7.0] * 7], atol=1e-9)


def test_a_departure_inside_a_ptu_ends_baseline_and_reduction_alike():
    cars = fleet((-1, 1.9, 14, 7))
    np.testing.assert_allclose(cars.baseline_kwh[0, 3:5], [1.75, 0.0], atol=1e-9)


def test_a_car_that_cannot_pause_stays_at_its_floor():
    delivery = _play(fleet((-1, 10, 40, 7), floor_kw=1.38)).deliver(7.0)
    np.testing.assert_allclose(delivery.delivered_kw, np.full(8, 7 - 1.38))


def test_a_v2g_car_gives_back_at_most_what_it_charged_with_its_losses():
    delivery = _play(fleet((-3, 10, 7, 7), v2g=True)).deliver(20.0)
    assert delivery.delivered_kw.sum() * 0.25 == pytest.approx(7 * 0.87)
    assert delivery.unserved_kwh == 0.0


class _Asks:
    """A policy that asks the same of every car, whatever it can."""

    def __init__(self, asked_kw) -> None:
        self._asked_kw = asked_kw

    def powers_kw(self, view, **_):
        return np.full(len(view.power_kw), self._asked_kw)


@pytest.mark.parametrize(
    ("traits", "asked_kw", "drawn_kw"),
    [
        ({"floor_kw": 1.38}, -100.0, [1.38] * 8),
        ({}, -100.0, [0.0] * 8),
        ({}, 100.0, [7.0] * 8),
        ({"v2g": True}, -100.0, [-7.0] * 3 + [3 * 7 - 0.87 * 7 / 0.25] + [0.0] * 4),
    ],
)
def test_no_policy_asks_a_car_out_of_its_bounds(traits, asked_kw, drawn_kw):
    """7 kWh are in when the window starts: of them 0.87 go back to the grid."""
    cars = fleet((-1, 10, 40, 7), **traits)
    play = WindowPlay(
        fleet=cars, outlook=told_outlook(cars), policy=_Asks(asked_kw), direction="reduce", baseline="arrival"
    )
    np.testing.assert_allclose(7.0 - play.deliver(7.0).delivered_kw, drawn_kw, atol=1e-9)


def test_a_window_without_cars_delivers_nothing():
    delivery = _play(fleet((5, 6, 1, 7))).deliver(1.0)
    assert delivery.least_kw == 0.0
    assert not delivery.keeps(1.0)


CARS = st.lists(
    st.tuples(st.floats(-6, 1.9), st.floats(0.05, 8), st.floats(0, 1), st.sampled_from([3.7, 7.4, 11.0])),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(CARS, st.floats(0, 60), st.booleans(), st.booleans())
def test_no_play_beats_perfect_information_or_wastes_a_driver_with_nobody_surprised(drawn, promise_kw, v2g, told):
    cars = [(a, max(a, 0) + s, share * power * (max(a, 0) + s - a), power) for a, s, share, power in drawn]
    group = fleet(*cars, v2g=v2g)
    delivery = _play(group, declared=None if told else Declarations.none()).deliver(promise_kw)
    served = group.energy_kwh.sum() - delivery.unserved_kwh
    assert -1e-9 <= delivery.unserved_kwh <= group.energy_kwh.sum() + 1e-9
    if delivery.unserved_kwh < 1e-6:
        assert delivery.least_kw <= perfect_information_kw(group, direction="reduce") + 1e-5
    assert served >= -1e-9


@settings(max_examples=30, deadline=None)
@given(CARS, st.booleans(), st.floats(0.0, 1.2))
def test_the_capacity_is_kept_and_never_above_the_bound_wherever_the_search_begins(drawn, v2g, likely):
    cars = [(a, max(a, 0) + s, share * power * (max(a, 0) + s - a), power) for a, s, share, power in drawn]
    play = _play(fleet(*cars, v2g=v2g))
    bound_kw = perfect_information_kw(play.fleet, direction="reduce")
    capacity_kw = play.capacity_kw(bound_kw, likely_kw=likely * bound_kw)
    assert 0.0 <= capacity_kw <= bound_kw
    assert capacity_kw == 0.0 or play.deliver(capacity_kw).keeps(capacity_kw)
