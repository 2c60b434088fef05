from dataclasses import replace

import numpy as np
import pytest

from bidding.dispatch.allocation.urgency import UrgencyPolicy
from bidding.dispatch.allocation.view import DispatchView
from bidding.forecast.outlook import Outlook

CARS, SAMPLES, POWER_KW, PTU_H = 400, 40, 7.4, 0.25


def untold(*, held_h=0.0, seed=1):
    """Cars that do not tell what they want, all certain to stay; they were held for some hours."""
    random = np.random.default_rng(seed)
    elapsed_h = random.uniform(0.5, 4.0, CARS)
    return DispatchView(
        ptu_h=PTU_H, left_in_window_h=1.0, elapsed_h=elapsed_h, power_kw=np.full(CARS, POWER_KW),
        takes_kw=np.full(CARS, POWER_KW), floor_kw=np.zeros(CARS), v2g=np.zeros(CARS, dtype=bool),
        energy_in_kwh=POWER_KW * np.maximum(elapsed_h - held_h, 0.0), left_kwh=np.full(CARS, np.nan), planned_kwh=None,
        outlook=Outlook(
            stay_h=np.full((CARS, SAMPLES), 14.0), energy_kwh=random.uniform(2, 40, (CARS, SAMPLES)),
            weight=np.ones((CARS, SAMPLES)), own=SAMPLES // 2,
        ),
    )  # fmt: skip


def delivered_kw(view, powers_kw, *, seed):
    """Draw what each car really wants from its samples that fit; return baseline less draw of the fleet."""
    random = np.random.default_rng(seed)
    total_kwh = 0.0
    for car in range(CARS):
        fitting = view.outlook.energy_kwh[car][view.outlook.energy_kwh[car] > view.energy_in_kwh[car]]
        energy_kwh = random.choice(fitting) if len(fitting) else view.energy_in_kwh[car]
        baseline_kwh = np.clip(energy_kwh - POWER_KW * view.elapsed_h[car], 0.0, POWER_KW * PTU_H)
        draw_kwh = min(energy_kwh - view.energy_in_kwh[car], max(powers_kw[car], 0.0) * PTU_H)
        total_kwh += baseline_kwh - draw_kwh
    return total_kwh / PTU_H


def play(view, *, promise_kw, times=40):
    powers_kw = UrgencyPolicy().powers_kw(view, direction="reduce", promise_kw=promise_kw)
    return np.array([delivered_kw(view, powers_kw, seed=seed) for seed in range(times)])


@pytest.mark.parametrize("promise_kw", [50.0, 400.0])
def test_cars_that_tell_nothing_keep_the_promise_without_giving_twice_as_much(promise_kw):
    """Those left to charge charge by their baseline, whatever that is: only those held are unsure."""
    delivered = play(untold(), promise_kw=promise_kw)
    assert (delivered >= promise_kw).mean() >= 0.9
    assert delivered.mean() <= promise_kw + 30.0


@pytest.mark.parametrize("promise_kw", [50.0, 400.0])
def test_cars_that_were_held_before_are_unsure_even_when_left_to_charge(promise_kw):
    assert (play(untold(held_h=0.5), promise_kw=promise_kw) >= promise_kw).mean() >= 0.9


def test_an_increase_holds_no_car_that_charges_by_itself():
    """What a car that tells nothing will draw is a guess: as a limit the guess would take from what it draws."""
    # given a hundred cars that were held and wait, and others that charge, as they have since they came
    waits = np.arange(CARS) < 100
    view = replace(
        untold(),
        elapsed_h=np.full(CARS, 2.0),
        energy_in_kwh=np.where(waits, 0.0, 14.8),
        left_kwh=np.where(waits, 10.0, np.nan),
    )
    powers_kw = UrgencyPolicy().powers_kw(view, direction="increase", promise_kw=50.0)
    assert 7 <= np.count_nonzero(powers_kw[waits] == POWER_KW) < 60
    assert (powers_kw[~waits] == POWER_KW).all()


def test_an_increase_brings_on_no_more_cars_that_were_held_than_it_needs():
    view = replace(
        untold(held_h=2.0), elapsed_h=np.full(CARS, 2.0), energy_in_kwh=np.zeros(CARS), left_kwh=np.full(CARS, 14.8)
    )
    powers_kw = UrgencyPolicy().powers_kw(view, direction="increase", promise_kw=50.0)
    assert np.count_nonzero(powers_kw == POWER_KW) == 7
    assert np.count_nonzero(powers_kw == 0.0) == CARS - 7
