"""The money of balancing energy: signs, worth and the one price of a delivery."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.money import CENT
from settlement.balancing.money import day_money, mean_eur_per_mwh, paid_eur_per_mwh, worth_eur
from tests.balancing_settlements import settled_period

PRICES = st.decimals(-15_000, 15_000, places=2)
ENERGIES_WH = st.integers(0, 250_000_000)  # 1 GW for a quarter hour
PARTS = st.lists(st.tuples(ENERGIES_WH, PRICES), min_size=1, max_size=100)


@pytest.mark.parametrize(
    ("direction", "price", "paid"),
    [("reduce", "80", "80"), ("reduce", "-5", "-5"), ("increase", "20", "-20"), ("increase", "-30", "30")],
)
def test_up_is_paid_to_us_and_down_by_us(direction, price, paid):
    period = settled_period(0, **{direction: (Decimal("0.1"), Decimal(price))})
    assert paid_eur_per_mwh(period, direction) == Decimal(paid)
    assert worth_eur(period) == Decimal("0.1") * Decimal(paid)


def test_both_directions_of_a_quarter_hour_are_worth_what_each_is():
    period = settled_period(0, reduce=(Decimal("0.833333"), Decimal(80)), increase=(Decimal("0.25"), Decimal(20)))
    assert worth_eur(period) == Decimal("61.66664")


@given(PARTS)
def test_all_energy_at_the_mean_is_worth_its_parts(parts):
    exact = sum(energy_wh * price for energy_wh, price in parts) / 1_000_000
    energy_wh = sum(part for part, _ in parts)
    by_mean = energy_wh * mean_eur_per_mwh(parts) / 1_000_000
    assert abs(by_mean - exact) < Decimal("0.0002")
    # on whole cents the two are the same, unless the sum lies on the edge between two
    edge = CENT / 2
    if abs(exact % CENT - edge if exact >= 0 else exact % CENT + edge) > Decimal("0.0002"):
        assert by_mean.quantize(CENT, ROUND_HALF_EVEN) == exact.quantize(CENT, ROUND_HALF_EVEN)


def test_nothing_delivered_has_no_price():
    assert mean_eur_per_mwh([(0, Decimal("80.00")), (0, Decimal("90.00"))]) == 0


def test_the_mean_goes_by_what_is_paid_and_not_by_time():
    assert mean_eur_per_mwh([(30_000, Decimal(100)), (10_000, Decimal(20)), (0, Decimal(9999))]) == 80


def test_of_a_days_amount_the_groups_get_theirs_and_the_aggregator_has_the_rest_and_the_penalty():
    periods = [
        settled_period(0, amount_eur=Decimal("100.00"), penalty_eur=Decimal("7.50")),
        settled_period(1, amount_eur=Decimal("-30.00")),
    ]
    money = day_money(periods, [(900_000, Decimal(100)), (500_000, Decimal(-50))])
    assert (money.amount_eur, money.penalty_eur) == (Decimal("70.00"), Decimal("7.50"))
    assert (money.groups_receive_eur, money.groups_pay_eur) == (Decimal("90.00"), Decimal("25.00"))
    assert (money.rest_eur, money.result_eur) == (Decimal("5.00"), Decimal("-2.50"))


@given(st.lists(st.tuples(PRICES, st.decimals(0, 1000, places=2)), max_size=96), PARTS)
def test_the_parts_of_a_day_add_up_to_what_tennet_pays(told, deliveries):
    periods = [
        settled_period(number, amount_eur=amount, penalty_eur=penalty) for number, (amount, penalty) in enumerate(told)
    ]
    money = day_money(periods, deliveries)
    groups_eur = money.groups_receive_eur - money.groups_pay_eur
    assert groups_eur + money.result_eur + money.penalty_eur == sum(amount for amount, _ in told)
