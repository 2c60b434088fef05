from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.money import CENT, CurrencyMismatch, Money, split_exactly

cents = st.integers(-10_000_000, 10_000_000).map(lambda value: value * CENT)
weights = st.lists(st.decimals(0, 10_000, places=3), min_size=1, max_size=40)


@given(cents, weights)
def test_parts_add_up_and_are_at_most_a_cent_off(total, weights):
    parts = split_exactly(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    if whole:
        assert all(abs(part - total * weight / whole) < CENT for part, weight in zip(parts, weights, strict=True))


@pytest.mark.parametrize(
    ("total", "weights", "says"),
    [
        (Decimal("1.00"), [], "no shares"),
        (Decimal("1.00"), [Decimal(-1)], "negative weight"),
        (Decimal("1.005"), [Decimal(1)], "round the total first"),
    ],
)
def test_what_cannot_be_split_says_why(total, weights, says):
    with pytest.raises(ValueError, match=says):
        split_exactly(total, weights)


def test_money_adds_exactly_and_only_within_a_currency():
    assert Money(Decimal("0.10")) + Money(Decimal("0.20")) == Money(Decimal("0.30"))
    with pytest.raises(CurrencyMismatch):
        Money(Decimal(1)) + Money(Decimal(1), "DKK")
    with pytest.raises(TypeError, match="is a Decimal"):
        Money(0.1)


def test_rounding_halves_goes_to_even():
    assert [Money(Decimal(text)).rounded().amount for text in ("0.005", "0.015")] == [Decimal("0.00"), Decimal("0.02")]
