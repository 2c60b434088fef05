import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from bidding.dispatch.allocation.pausing import (
    Belief,
    Candidates,
    State,
    belief_of,
    chosen_for_test,
    pause_outcome,
)

counts = st.integers(0, 40)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0.5, 0.8, 0.95]))
def test_the_chance_is_that_of_a_beta_distribution(woke, failed, share):
    assert Belief(woke, failed).chance_above(share) == pytest.approx(beta.sf(share, woke, failed))


@pytest.mark.parametrize(
    ("car", "model", "state"),
    [
        ((0, 0), (0, 0), State.UNKNOWN),
        ((3, 0), (0, 0), State.UNKNOWN),
        ((4, 0), (0, 0), State.CAN_PAUSE),
        ((0, 1), (0, 0), State.UNKNOWN),
        ((0, 2), (0, 0), State.CANNOT_PAUSE),
        ((0, 0), (50, 0), State.CAN_PAUSE),
        ((0, 2), (50, 0), State.UNKNOWN),
        ((0, 0), (2, 40), State.CANNOT_PAUSE),
        ((4, 1), (0, 0), State.UNKNOWN),
    ],
)
def test_what_is_known_of_car_and_model_decides(car, model, state):
    assert belief_of(car=car, model=model).state == state


@given(counts, counts, counts, counts)
def test_a_test_never_moves_the_belief_the_wrong_way(woke, failed, model_woke, model_failed):
    now = belief_of(car=(woke, failed), model=(model_woke, model_failed)).mean
    assert belief_of(car=(woke + 1, failed), model=(model_woke, model_failed)).mean > now
    assert belief_of(car=(woke, failed + 1), model=(model_woke, model_failed)).mean < now


def cars(**fields):
    standard = {"sessions": 9, "laxity_h": 5.0, "power_kw": 11.0, "is_settled": False, "is_due": True}
    return Candidates(**{name: np.array([fields.get(name, value)]) for name, value in standard.items()})


def test_a_regular_with_time_to_spare_is_tested_in_quiet_hours():
    assert chosen_for_test(cars(), is_quiet=True, has_order=False, most_kw=50).tolist() == [0]


@pytest.mark.parametrize(
    "fields",
    [{"sessions": 4}, {"laxity_h": 2.0}, {"power_kw": 0.0}, {"is_settled": True}, {"is_due": False}],
)
def test_others_are_exempt(fields):
    assert chosen_for_test(cars(**fields), is_quiet=True, has_order=False, most_kw=50).size == 0


@given(st.integers(0, 2**32), st.floats(0, 300), st.booleans(), st.booleans())
def test_never_in_busy_hours_never_in_an_order_never_too_much(seed, most_kw, is_quiet, has_order):
    random = np.random.default_rng(seed)
    fleet = Candidates(
        sessions=random.integers(0, 20, 30),
        laxity_h=random.uniform(0, 9, 30),
        power_kw=random.uniform(0, 22, 30),
        is_settled=random.random(30) < 0.3,
        is_due=random.random(30) < 0.8,
    )
    chosen = chosen_for_test(fleet, is_quiet=is_quiet, has_order=has_order, most_kw=most_kw)
    assert fleet.power_kw[chosen].sum() <= most_kw
    assert (is_quiet and not has_order) or chosen.size == 0
    assert (fleet.sessions[chosen] >= 5).all()


@pytest.mark.parametrize(
    ("before", "paused", "after", "stayed", "wanted_more", "woke"),
    [
        (2_700, 0, 2_600, True, True, True),
        (2_700, 0, 0, True, True, False),
        (2_700, 0, 0, True, False, None),
        (2_700, 0, 0, False, True, None),
        (2_700, 2_700, 2_700, True, True, None),
        (0, 0, 2_700, True, True, None),
    ],
)
def test_only_a_clear_outcome_is_evidence(before, paused, after, stayed, wanted_more, woke):
    outcome = pause_outcome(before_wh=before, paused_wh=paused, after_wh=after, stayed=stayed, wanted_more=wanted_more)
    assert outcome is woke
