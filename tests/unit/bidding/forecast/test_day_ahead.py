import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from bidding.flexibility.lp import SiteLimits
from bidding.flexibility.price_plan import PlanInfeasibleError
from bidding.forecast.baselines import PTU_S, PriceCurve, price_kwh
from bidding.forecast.day_ahead import planned_kwh
from bidding.forecast.drawn_sessions import Sessions

DAY_PTUS = 96
NOON_S = 20_000 * 86_400 + 43_200
EDGES_S = NOON_S + PTU_S * np.arange(DAY_PTUS + 1, dtype=np.int64)


def evening(seed, count=40):
    """Stays within the horizon whose energy fits."""
    rng = np.random.default_rng(seed)
    plug_in_s = NOON_S + rng.integers(0, 40_000, count)
    plug_out_s = np.minimum(plug_in_s + rng.integers(3_600, 50_000, count), EDGES_S[-1])
    power_kw = rng.choice([3.7, 7.4, 11.0], count)
    return Sessions(
        plug_in_s=plug_in_s,
        plug_out_s=plug_out_s,
        energy_kwh=rng.uniform(0.1, 1.0, count) * power_kw * (plug_out_s - plug_in_s) / 3600,
        power_kw=power_kw,
        floor_kw=np.zeros(count),
        v2g=np.zeros(count, dtype=np.bool_),
    )


def prices(seed):
    """Negative in one PTU of four."""
    return PriceCurve(starts_s=NOON_S, eur_per_mwh=np.random.default_rng(seed).uniform(-50, 150, DAY_PTUS))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_without_limits_the_plan_is_each_car_in_its_cheapest_ptus(seed):
    sessions, curve = evening(seed), prices(seed)
    plan = planned_kwh(sessions, EDGES_S, prices=curve)
    alone = price_kwh(
        sessions.plug_in_s, sessions.plug_out_s, sessions.energy_kwh, sessions.power_kw, EDGES_S, prices=curve
    )
    assert plan == pytest.approx(alone, abs=1e-5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.6, 1.0))
def test_limits_of_group_and_connections_hold_and_every_car_is_served(seed, share):
    sessions, curve = evening(seed), prices(seed)
    site = np.arange(len(sessions)) % 2
    free_kw = 4 * planned_kwh(sessions, EDGES_S, prices=curve)
    group_kw = share * free_kw.sum(axis=0).max()
    site_kw = np.array([share * free_kw[site == name].sum(axis=0).max() for name in (0, 1)])
    limits = SiteLimits(
        site=site, max_import_kw=np.tile(site_kw[:, None], DAY_PTUS), max_export_kw=np.zeros((2, DAY_PTUS))
    )
    try:
        plan = planned_kwh(sessions, EDGES_S, prices=curve, group_max_kw=group_kw, sites=limits)
    except PlanInfeasibleError:
        reject()
    assert 4 * plan.sum(axis=0).max() <= group_kw
    for name in (0, 1):
        assert 4 * plan[site == name].sum(axis=0).max() <= site_kw[name]
    assert plan.sum(axis=1) == pytest.approx(sessions.energy_kwh, abs=1e-5)


def test_a_cap_that_cannot_serve_all_is_refused():
    with pytest.raises(PlanInfeasibleError, match="cannot be served"):
        planned_kwh(evening(1), EDGES_S, prices=prices(1), group_max_kw=20.0)


def test_a_car_that_came_earlier_has_charged_on_arrival_until_then():
    sessions = Sessions(
        plug_in_s=np.array([NOON_S - 3600]),
        plug_out_s=np.array([NOON_S + 36_000]),
        energy_kwh=np.array([10.0]),
        power_kw=np.array([4.0]),
        floor_kw=np.zeros(1),
        v2g=np.zeros(1, dtype=np.bool_),
    )
    assert planned_kwh(sessions, EDGES_S, prices=prices(1)).sum() == pytest.approx(6.0)
