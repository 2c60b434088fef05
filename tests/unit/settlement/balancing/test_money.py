"""The money of balancing energy: signs, worth and what is whose of a day."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement.balancing.money import day_money, paid_eur_per_mwh, worth_eur
from settlement.remuneration.shares import EnergyShare, lines_of_ean
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


@given(st.lists(st.tuples(st.integers(1, 3), ENERGIES_WH, PRICES), max_size=40), st.decimals(0, 1, places=4))
def test_what_a_statement_gives_for_a_group_is_what_the_day_says_it_receives_and_pays(delivered, partner_share):
    lines = lines_of_ean(EnergyShare(*one, partner_share) for one in delivered)
    money = day_money([], [(energy_wh, price) for _, energy_wh, price in delivered])
    assert sum(line.amount_eur for line in lines) == money.groups_receive_eur - money.groups_pay_eur
