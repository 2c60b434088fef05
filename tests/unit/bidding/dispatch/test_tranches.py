import numpy as np

from bidding.dispatch.allocation import tranches
from bidding.dispatch.allocation.tranches import Tranches
from bidding.dispatch.allocation.urgency import UrgencyPolicy
from bidding.dispatch.allocation.view import DispatchView
from bidding.forecast.outlook import Outlook


def cars(count, samples=40):
    random = np.random.default_rng(3)
    return DispatchView(
        ptu_h=0.25, left_in_window_h=3.0, elapsed_h=random.uniform(0, 4, count),
        power_kw=np.full(count, 11.0), takes_kw=np.full(count, 11.0),
        floor_kw=np.zeros(count), v2g=np.zeros(count, dtype=bool),
        energy_in_kwh=random.uniform(0, 10, count), left_kwh=np.full(count, np.nan), planned_kwh=None,
        outlook=Outlook(
            stay_h=random.uniform(6, 14, (count, samples)), energy_kwh=random.uniform(10, 40, (count, samples)),
            weight=np.ones((count, samples)), own=samples // 2,
        ),
    )  # fmt: skip


def held(powers):
    return int((powers < 11.0).sum())


def test_a_small_fleet_is_decided_in_one_piece():
    view = cars(300)
    whole = UrgencyPolicy().powers_kw(view, direction="reduce", promise_kw=500.0)
    assert (Tranches(UrgencyPolicy()).powers_kw(view, direction="reduce", promise_kw=500.0) == whole).all()


def test_a_large_fleet_is_asked_for_a_little_more_and_never_for_less(monkeypatch):
    view = cars(4_000)
    whole = held(UrgencyPolicy().powers_kw(view, direction="reduce", promise_kw=8_000.0))
    monkeypatch.setattr(tranches, "CARS_PER_TRANCHE", 1_000)
    in_pieces = held(Tranches(UrgencyPolicy()).powers_kw(view, direction="reduce", promise_kw=8_000.0))
    assert whole <= in_pieces <= 1.15 * whole
