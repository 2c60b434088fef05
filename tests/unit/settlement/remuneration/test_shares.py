"""Energy and money over partners."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.money import Money
from settlement.remuneration.shares import EnergyShare, Line, lines_of_ean, split_energy

PRICE = Decimal("180.00")
SHARE = Decimal("0.7000")


def test_energy_goes_by_contribution_in_whole_watt_hours():
    # given 100 Wh paid, contributed 2 : 1 : 0
    assert split_energy(100, {7: 200, 3: 100, 5: 0}) == {3: 33, 5: 0, 7: 67}


def test_a_tie_goes_to_the_lower_partner_number_whatever_the_order():
    assert split_energy(1, {9: 5, 2: 5}) == split_energy(1, {2: 5, 9: 5}) == {2: 1, 9: 0}


def test_energy_that_no_asset_shows_is_split_evenly():
    assert split_energy(10, {1: 0, 2: 0}) == {1: 5, 2: 5}


def test_energy_without_a_partner_is_an_error():
    assert split_energy(0, {}) == {}
    with pytest.raises(ValueError, match="no shares"):
        split_energy(10, {})


def test_lines_hold_the_partners_part_and_the_rest_for_the_aggregator():
    # given 100 kWh and 25 kWh at 180 EUR/MWh: 18.00 and 4.50 EUR, of which 70 % for the partners
    lines = lines_of_ean([EnergyShare(1, 100_000, PRICE, SHARE), EnergyShare(2, 25_000, PRICE, SHARE)])
    assert lines == [
        Line(1, 100_000, Decimal("12.60")),
        Line(2, 25_000, Decimal("3.15")),
        Line(None, 0, Decimal("6.75")),
    ]


def test_cents_are_lost_to_nobody():
    # given three times 1 kWh at 100 EUR/MWh, 0.10 EUR each and half of it for the partners: 0.05, 0.05, 0.05, 0.15
    thirds = [EnergyShare(partner, 1_000, Decimal("100.00"), Decimal("0.5")) for partner in (1, 2, 3)]
    assert [line.amount_eur for line in lines_of_ean(thirds)] == [
        Decimal(text) for text in ("0.05", "0.05", "0.05", "0.15")
    ]
    # given the same at 50 EUR/MWh: 0.025 three times and 0.075 of 0.15, so two of the four are rounded up
    halves = [EnergyShare(partner, 1_000, Decimal("50.00"), Decimal("0.5")) for partner in (1, 2, 3)]
    assert [line.amount_eur for line in lines_of_ean(halves)] == [
        Decimal(text) for text in ("0.03", "0.03", "0.02", "0.07")
    ]


def test_deliveries_on_different_terms_are_added_before_rounding():
    # given 0.004 EUR twice for one partner that keeps all of it
    twice = [EnergyShare(1, 40, Decimal("100.00"), Decimal(1)), EnergyShare(1, 20, Decimal("200.00"), Decimal(1))]
    assert lines_of_ean(twice) == [Line(1, 60, Decimal("0.01")), Line(None, 0, Decimal("0.00"))]


def test_a_price_below_zero_is_paid_by_us_in_the_same_proportions():
    lines = lines_of_ean([EnergyShare(1, 100_000, Decimal("-20.00"), SHARE)])
    assert lines == [Line(1, 100_000, Decimal("-1.40")), Line(None, 0, Decimal("-0.60"))]


_share = st.builds(
    EnergyShare,
    partner_id=st.integers(1, 6),
    paid_wh=st.integers(0, 3_000_000),
    price_eur_per_mwh=st.decimals(0, 9999, places=2),
    partner_share=st.decimals(0, 1, places=4),
)
_received_or_paid = st.builds(
    lambda share, sign: replace(share, price_eur_per_mwh=sign * share.price_eur_per_mwh),
    _share,
    st.sampled_from([1, -1]),
)


@given(st.lists(_share, max_size=20))
def test_lines_add_up_to_the_rounded_total_and_are_never_negative(shares):
    lines = lines_of_ean(shares)
    exact = sum((share.amount_eur for share in shares), Decimal(0))
    assert sum(line.amount_eur for line in lines) == Money(exact).rounded().amount
    assert all(line.amount_eur >= 0 for line in lines)
    assert sum(line.delivered_wh for line in lines) == sum(share.paid_wh for share in shares)


@given(st.lists(_received_or_paid, min_size=1, max_size=20))
def test_a_line_is_its_energy_at_the_price_of_each_share_within_rounding(shares):
    for line in lines_of_ean(shares):
        if line.partner_id is None:
            exact = sum((share.amount_eur * (1 - share.partner_share) for share in shares), Decimal(0))
        else:
            own = (share for share in shares if share.partner_id == line.partner_id)
            exact = sum((share.amount_eur * share.partner_share for share in own), Decimal(0))
        # What is received and what is paid are each rounded by up to half a cent, which largest remainder spreads.
        assert abs(line.amount_eur - exact) < Decimal("0.03")


@given(st.lists(_received_or_paid, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_shares_does_not_matter(shares, random):
    shuffled = list(shares)
    random.shuffle(shuffled)
    assert lines_of_ean(shuffled) == lines_of_ean(shares)


@given(st.integers(0, 5_000_000), st.dictionaries(st.integers(1, 9), st.integers(0, 5_000_000), min_size=1))
def test_energy_splits_without_loss(paid_wh, contribution_wh):
    parts = split_energy(paid_wh, contribution_wh)
    assert sum(parts.values()) == paid_wh
    assert all(part >= 0 for part in parts.values())
    assert parts == split_energy(paid_wh, dict(reversed(contribution_wh.items())))
