from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.interval import InvalidInterval
from aggregator.core.ptu import PTU
from bidding.markets.afrr.terms import InvalidTerms
from tests.unit.bidding.markets.afrr.samples import PTU_AT_17, TERMS


def test_the_gate_of_a_ptu_is_25_minutes_before_it():
    assert TERMS.gate_of(PTU_AT_17) == datetime(2026, 1, 14, 15, 35, tzinfo=UTC)
    assert replace(TERMS, gate_lead=timedelta(hours=1)).gate_of(PTU_AT_17) == PTU_AT_17 - 4 * PTU


def test_the_gate_of_the_hour_that_comes_twice_is_counted_in_real_minutes():
    second_two_o_clock = datetime(2026, 10, 25, 1, tzinfo=UTC)
    assert TERMS.gate_of(second_two_o_clock) == datetime(2026, 10, 25, 0, 35, tzinfo=UTC)


def test_only_a_ptu_has_a_gate():
    with pytest.raises(ValueError, match=r"16:05:00\+00:00 is no start of a PTU"):
        TERMS.gate_of(PTU_AT_17 + timedelta(minutes=5))
    with pytest.raises(InvalidInterval, match="has no time zone"):
        TERMS.gate_of(PTU_AT_17.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("power_w", "to_bid_w"),
    [(-5_000_000, 0), (0, 0), (999_999, 0), (1_000_000, 1_000_000), (1_999_999, 1_000_000), (7_400_000, 7_000_000)],
)
def test_whole_megawatts_are_bid(power_w, to_bid_w):
    assert TERMS.power_to_bid_w(power_w) == to_bid_w


def test_less_than_the_minimum_is_not_bid():
    five = replace(TERMS, minimum_power_w=5_000_000)
    assert [five.power_to_bid_w(power_w) for power_w in (4_999_999, 5_000_000, 6_500_000)] == [0, 5_000_000, 6_000_000]


@given(st.integers(-(10**12), 10**12))
def test_what_is_bid_is_there_and_nothing_that_could_be_bid_is_left(power_w):
    to_bid_w = TERMS.power_to_bid_w(power_w)
    assert 0 <= to_bid_w <= max(power_w, 0)
    assert max(power_w, 0) - to_bid_w < 1_000_000


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"power_step_w": 500_000}, "500000 W are no whole MW"),
        ({"power_step_w": 0}, "0 W are no whole MW"),
        ({"power_step_w": 2_000_000}, "minimum of 1000000 W is no multiple of the step of 2000000 W"),
        ({"minimum_power_w": 0}, "minimum of 0 W"),
        ({"gate_lead": timedelta(minutes=-1)}, "lies after its start"),
        ({"price_step_eur_per_mwh": Decimal(0)}, "prices in steps of 0"),
        ({"price_step_eur_per_mwh": Decimal("NaN")}, "prices in steps of NaN"),
        ({"lowest_price_eur_per_mwh": Decimal(15_000)}, "prices from 15000 to 15000"),
        ({"highest_price_eur_per_mwh": Decimal("Infinity")}, "prices from -15000 to Infinity"),
        ({"most_bids_per_document": 0}, "0 bids in a document"),
    ],
)
def test_terms_that_cannot_be_met_are_refused(changes, says):
    with pytest.raises(InvalidTerms, match=says):
        replace(TERMS, **changes)
