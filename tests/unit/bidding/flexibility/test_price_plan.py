import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidding.flexibility import lp
from bidding.flexibility.corridor import Corridor
from bidding.flexibility.devices import one_way_charger
from bidding.flexibility.price_plan import PlanInfeasibleError, plan_by_price
from bidding.flexibility.window import Window

DAY = Window(steps=24, step_hours=1.0)


def random_cars(seed: int, count: int, *, floor: float = 0.0) -> Corridor:
    rng = np.random.default_rng(seed)
    arrival = rng.uniform(0, 16, count)
    return one_way_charger(
        arrival_hours=arrival,
        departure_hours=np.minimum(arrival + rng.uniform(1, 14, count), 24),
        energy_needed_kwh=rng.uniform(1, 40, count),
        power_max_kw=rng.choice([3.7, 7.4, 11.0], count),
        power_floor_kw=floor,
        window=DAY,
    )


def feasible_cap(corridor: Corridor, slack: float) -> float:
    return (1 + slack) * lp.min_flat_cap_kw(corridor=corridor, step_hours=1.0) + 1e-3


@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 40),
    slack=st.sampled_from([0.0, 0.05, 0.5, 3.0]),
    floor=st.sampled_from([0.0, 1.38]),
)
@settings(max_examples=40, deadline=None)
def test_every_car_is_served_under_the_cap(seed, count, slack, floor):
    corridor = random_cars(seed, count, floor=floor)
    cap = feasible_cap(corridor, slack)
    price = np.random.default_rng(seed).uniform(10, 200, 24)

    plan = plan_by_price(corridor=corridor, price=price, step_hours=1.0, cap_kw=cap)

    assert plan.sum(axis=0).max() <= cap
    assert corridor.worst_violation_kwh(plan, step_hours=1.0) <= 2e-6


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("slack", [0.05, 0.3, 1.0])
def test_cost_equals_the_linear_programme_and_one_pass_comes_close(seed, slack):
    corridor = random_cars(seed, 60)
    cap = feasible_cap(corridor, slack)
    price = 80 + 40 * np.sin(np.arange(24) / 24 * 4 * np.pi) + np.random.default_rng(seed).normal(0, 5, 24)

    plan = plan_by_price(corridor=corridor, price=price, step_hours=1.0, cap_kw=cap)
    one_pass = plan_by_price(corridor=corridor, price=price, step_hours=1.0, cap_kw=cap, exact=False)

    best = lp.solve_fleet(corridor=corridor, step_hours=1.0, aggregate_max_kw=cap, cost=price).objective
    assert plan.sum(axis=0) @ price == pytest.approx(best, rel=1e-6)
    assert best * (1 - 1e-6) <= one_pass.sum(axis=0) @ price <= 1.05 * best
    assert one_pass.sum(axis=0).max() <= cap
    assert corridor.worst_violation_kwh(one_pass, step_hours=1.0) <= 2e-6


def test_without_a_cap_the_plan_is_the_optimum():
    corridor = random_cars(7, 30)
    price = np.random.default_rng(7).uniform(10, 200, 24)

    plan = plan_by_price(corridor=corridor, price=price, step_hours=1.0)

    best = lp.solve_fleet(corridor=corridor, step_hours=1.0, cost=price).objective
    assert plan.sum(axis=0) @ price == pytest.approx(best, rel=1e-9)


def test_an_impossible_cap_is_proven_and_says_how_much_is_missing():
    corridor = random_cars(3, 20)
    cap = 0.9 * lp.min_flat_cap_kw(corridor=corridor, step_hours=1.0)

    with pytest.raises(PlanInfeasibleError, match="of 20 devices cannot be served") as caught:
        plan_by_price(corridor=corridor, price=np.arange(24.0), step_hours=1.0, cap_kw=cap)

    assert caught.value.unserved_kwh.sum() > 0


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_connection_limits_hold_too(seed):
    corridor = random_cars(seed, 12)
    site = np.arange(12) % 3
    limit = np.array([feasible_cap(corridor.select(site == name), 0.1) for name in range(3)])
    sites = lp.SiteLimits(site=site, max_import_kw=np.tile(limit[:, None], (1, 24)), max_export_kw=np.zeros((3, 24)))
    price = np.random.default_rng(seed).uniform(10, 200, 24)

    plan = plan_by_price(corridor=corridor, price=price, step_hours=1.0, sites=sites)

    for name in range(3):
        assert plan[site == name].sum(axis=0).max() <= limit[name]
    assert corridor.worst_violation_kwh(plan, step_hours=1.0) <= 2e-6


def test_two_cars_that_compete_are_both_served():
    """The cheap hour is the only one of the second car; the first can wait for the dear one."""
    corridor = one_way_charger(
        arrival_hours=np.array([0.0, 0.0]),
        departure_hours=np.array([2.0, 1.0]),
        energy_needed_kwh=np.array([4.0, 4.0]),
        power_max_kw=4.0,
        window=Window(steps=2, step_hours=1.0),
    )

    plan = plan_by_price(corridor=corridor, price=[10.0, 90.0], step_hours=1.0, cap_kw=4.0)

    assert plan == pytest.approx(np.array([[0.0, 4.0], [4.0, 0.0]]), abs=1e-9)


def test_negative_prices_fill_what_may_be_filled():
    corridor = one_way_charger(
        arrival_hours=0.0,
        departure_hours=9.0,
        energy_needed_kwh=4.0,
        power_max_kw=4.0,
        window=Window(steps=2, step_hours=1.0),
    )

    waiting = plan_by_price(corridor=corridor, price=[10.0, 20.0], step_hours=1.0)
    paid = plan_by_price(corridor=corridor, price=[10.0, -20.0], step_hours=1.0)

    assert waiting.tolist() == [[0.0, 0.0]]
    assert paid.tolist() == [[0.0, 4.0]]


def few_cars(rng: np.random.Generator, window: Window) -> Corridor:
    """Up to eight cars; some leave after the horizon, some cannot pause, some have no time to spare."""
    count = rng.integers(1, 9)
    arrival = rng.integers(-2, window.steps, count)
    departure = arrival + rng.integers(1, window.steps + 3, count)
    power = rng.choice([2.0, 4.0, 8.0], count)
    stay = np.maximum(departure - np.maximum(arrival, 0), 0)
    return one_way_charger(
        arrival_hours=arrival,
        departure_hours=departure,
        energy_needed_kwh=power * np.minimum(rng.integers(1, 6, count), stay),
        power_max_kw=power,
        power_floor_kw=np.where(rng.random(count) < 0.2, 1.38, 0.0),
        window=window,
    )


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 7), connections=st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_few_cars_cost_what_the_linear_programme_says_whatever_the_prices(seed, steps, connections):
    """Also where being paid to charge tempts some cars into what others need; refused only where it refuses."""
    rng = np.random.default_rng(seed)
    corridor = few_cars(rng, Window(steps=steps, step_hours=1.0))
    price = rng.choice([-40.0, -10.0, 0.0, 10.0, 30.0], steps)
    cap = np.round(rng.uniform(0.2, 1.0, steps) * corridor.power_max_kw.max(axis=1).sum())
    site = rng.integers(0, max(connections, 1), corridor.devices)
    limit = np.tile(rng.integers(0, 20, (max(connections, 1), 1)).astype(float), steps)
    sites = lp.SiteLimits(site=site, max_import_kw=limit, max_export_kw=np.zeros(limit.shape)) if connections else None
    common = {"corridor": corridor, "step_hours": 1.0, "sites": sites}
    try:
        best = lp.solve_fleet(**common, aggregate_max_kw=cap, cost=price).objective
    except lp.InfeasibleFleetError:
        with pytest.raises(PlanInfeasibleError):
            plan_by_price(**common, price=price, cap_kw=cap)
        return

    for exact in (True, False):
        plan = plan_by_price(**common, price=price, cap_kw=cap, exact=exact)

        assert np.all(plan.sum(axis=0) <= cap)
        for name in range(connections):
            assert np.all(plan[site == name].sum(axis=0) <= limit[name])
        assert corridor.worst_violation_kwh(plan, step_hours=1.0) <= 2e-6
        assert not exact or plan.sum(axis=0) @ price == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("lowest", [-100, 10])
def test_many_cars_behind_connections_cost_at_most_two_per_cent_more(lowest):
    """Of what is at stake, the price's size times the energy: the cost itself may be about nothing."""
    corridor = random_cars(5, 150)
    site = np.arange(150) % 15
    limit = np.array([0.4 * corridor.power_max_kw[site == name].max(axis=1).sum() for name in range(15)])
    sites = lp.SiteLimits(site=site, max_import_kw=np.tile(limit[:, None], 24), max_export_kw=np.zeros((15, 24)))
    price = np.random.default_rng(5).uniform(lowest, 150, 24)
    cap = feasible_cap(corridor, 0.5)

    plan = plan_by_price(corridor=corridor, price=price, step_hours=1.0, cap_kw=cap, sites=sites)

    best = lp.solve_fleet(corridor=corridor, step_hours=1.0, aggregate_max_kw=cap, cost=price, sites=sites)
    at_stake = best.profile_kw.sum(axis=0) @ np.abs(price)
    assert best.objective - 1e-3 <= plan.sum(axis=0) @ price <= best.objective + 0.02 * at_stake


def test_a_car_paid_to_charge_makes_way_for_one_that_must():
    """The paid hour is the first car's last before the horizon ends; the second could wait, but not beside others."""
    corridor = one_way_charger(
        arrival_hours=np.array([2.0, 0.0, 0.0, 1.0]),
        departure_hours=np.array([9.0, 3.0, 1.0, 2.0]),
        energy_needed_kwh=4.0,
        power_max_kw=4.0,
        window=Window(steps=3, step_hours=1.0),
    )

    plan = plan_by_price(corridor=corridor, price=[10.0, 10.0, -20.0], step_hours=1.0, cap_kw=4.0)

    assert plan == pytest.approx(np.array([[0, 0, 0], [0, 0, 4], [4, 0, 0], [0, 4, 0]]), abs=1e-9)


def test_a_cap_below_what_cannot_pause_is_refused():
    corridor = random_cars(3, 5, floor=1.38)

    with pytest.raises(PlanInfeasibleError, match="least power of the devices passes a cap"):
        plan_by_price(corridor=corridor, price=np.arange(24.0), step_hours=1.0, cap_kw=1.0)


def test_two_way_devices_are_turned_away():
    corridor = Corridor.of(power_min_kw=-1, power_max_kw=1, energy_min_kwh=0, energy_max_kwh=1, shape=(1, 2))

    with pytest.raises(ValueError, match="only charge"):
        plan_by_price(corridor=corridor, price=[1.0, 2.0], step_hours=1.0)
