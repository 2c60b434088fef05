import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.dispatch.allocation.trimming import surplus_kw, trimmed_kw


def test_what_is_on_top_of_the_order_and_its_margin_is_surplus():
    assert surplus_kw(ordered_kw=100, delivered_kw=290, asked_kw=150, planned_kw=170) == pytest.approx(60)
    assert surplus_kw(ordered_kw=100, delivered_kw=190, asked_kw=150, planned_kw=150) == 0


@given(st.integers(0, 2**32), st.integers(1, 40), st.floats(0, 500))
def test_only_feeding_in_is_taken_back_and_no_more_than_is_too_much(seed, count, surplus):
    random = np.random.default_rng(seed)
    asked = np.where(random.random(count) < 0.5, random.uniform(-11, 0, count), 11.0)
    trimmed = trimmed_kw(asked_kw=asked, surplus_kw=surplus)
    assert (trimmed[asked >= 0] == asked[asked >= 0]).all()
    assert (trimmed >= asked).all()
    assert (trimmed[asked < 0] <= 1e-9).all()
    assert (trimmed - asked).sum() == pytest.approx(min(surplus, -asked[asked < 0].sum()))
