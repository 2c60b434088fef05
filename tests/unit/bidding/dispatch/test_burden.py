import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.burden import burden_eur_per_kwh, merit_order, shared_fairly


@st.composite
def cars(draw):
    count = draw(st.integers(0, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    power = random.choice([7.4, 11.0], count)
    return {
        "asked_kw": np.where(random.random(count) < 0.5, power, random.choice([0.0, 1.38, -5.0], count)),
        "power_kw": power,
        "floor_kw": random.choice([0.0, 1.38], count),
        "usual_kw": random.uniform(0, 2, count),
        "draw_kw": random.uniform(0, 3, count),
        "laxity_h": random.uniform(-1, 6, count),
        "burden": random.integers(0, 5, count) / 10,
    }


def like_cars(asked, burden, draw=None):
    n = len(asked)
    return shared_fairly(
        asked_kw=np.array(asked),
        power_kw=np.full(n, 11.0),
        floor_kw=np.zeros(n),
        usual_kw=np.zeros(n),
        draw_kw=np.full(n, 11.0) if draw is None else np.array(draw),
        laxity_h=np.full(n, 5.0),
        burden=np.array(burden),
    ).tolist()


def test_of_like_cars_the_one_called_least_waits():
    assert like_cars([0.0, 11.0, 11.0], [0.3, 0.1, 0.2]) == [11.0, 0.0, 11.0]


def test_with_equal_burdens_the_choice_stands():
    assert like_cars([11.0, 0.0, 11.0], [0.1, 0.1, 0.1]) == [11.0, 0.0, 11.0]


def test_a_car_that_is_nearly_full_does_not_wait_for_one_that_is_not():
    assert like_cars([11.0, 0.0, 11.0], [0.1, 0.3, 0.3], draw=[1.0, 11.0, 11.0]) == [11.0, 0.0, 11.0]


@given(cars())
def test_every_class_is_asked_for_the_same_and_bears_no_more(cars):
    shared = shared_fairly(**cars)
    energy = [np.round(cars["usual_kw"]), np.round(cars["draw_kw"])]
    kind = np.stack([cars["power_kw"], cars["floor_kw"], *energy, np.floor(cars["laxity_h"] / 2)])
    for column in {tuple(one) for one in kind.T}:
        alike = (column == kind.T).all(axis=1)
        assert sorted(shared[alike]) == sorted(cars["asked_kw"][alike])
    moved, before = cars["power_kw"] - shared, cars["power_kw"] - cars["asked_kw"]
    assert moved @ cars["burden"] <= before @ cars["burden"] + 1e-9


def test_cost_and_calls_add_up_and_order_the_steady():
    burden = burden_eur_per_kwh(
        wear_eur_per_kwh=np.array([0.05, 0.0, 0.0]),
        compensation_eur_per_kwh=np.array([0.0, 0.04, 0.0]),
        calls=np.array([0.0, 0.0, 4.0]),
    )
    assert burden.round(4).tolist() == [0.05, 0.04, 0.08]
    assert merit_order(burden).tolist() == [1, 0, 2]
