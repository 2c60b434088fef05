"""A day's settlement: energies, prices, signs, rounding, and days of 92 and 100 PTUs."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from aggregator.core.ptu import day_interval
from mock_gopacs.tennet.activation import Activation
from mock_gopacs.tennet.cycles import cycle_of
from mock_gopacs.tennet.ladder import Direction, Offer
from mock_gopacs.tennet.settling import judged_cycles, settle
from mock_gopacs.tennet.terms import Terms

DAY = date(2026, 1, 14)
PTU = cycle_of(datetime(2026, 1, 14, 16, tzinfo=UTC))  # 17:00 in Dutch time: PTU 69
TERMS = Terms(lost_after=None, penalty_eur_per_mwh=Decimal("1000.00"))


def settled(*demand, day=DAY, up_price="100.00", down_price="40.00", terms=TERMS, delivered=None, ptu=PTU):
    """The day of a BSP with 6 MW each way in a PTU and the next, doing as told unless `delivered` says otherwise."""
    offers = [
        Offer(1, "ours", "up", Direction.UP, Decimal(6), Decimal(up_price)),
        Offer(2, "ours", "down", Direction.DOWN, Decimal(6), Decimal(down_price)),
    ]
    offered = dict.fromkeys((ptu, ptu + 225), offers)
    activation = Activation(terms, [(cycle, Decimal(mw)) for cycle, mw in demand], offered, {"ours": []})
    cycles = judged_cycles(day)
    told = [float(setpoint) for setpoint in activation.setpoints_mw("ours", cycles)]
    return settle(day, "ours", activation=activation, delivered_mw=told if delivered is None else delivered(told))


def test_a_ptu_of_full_activation_both_ways_is_paid_by_the_rules_of_signs():
    # given 6 MW up for 100 cycles and 3 MW down for 50
    day = settled((PTU, 6), (PTU + 100, -3), (PTU + 150, 0))
    period = day[68]
    assert (period.position, period.starts_at) == (69, datetime(2026, 1, 14, 16, tzinfo=UTC))
    assert (period.requested_up_mwh, period.requested_down_mwh) == (Decimal("0.666667"), Decimal("0.166667"))
    assert (period.price_up_eur_per_mwh, period.price_down_eur_per_mwh) == (100, 40)
    # then TenneT pays for up, and is paid for down
    assert period.amount_eur == Decimal("60.00")
    assert sum(other.requested_up_mwh + other.requested_down_mwh + abs(other.amount_eur) for other in day) == (
        period.requested_up_mwh + period.requested_down_mwh + period.amount_eur
    )


@pytest.mark.parametrize(
    ("mw", "prices", "amount"),
    [(6, ("100.00", "0"), "150.00"), (6, ("-100.00", "0"), "-150.00"), (-6, ("0", "40.00"), "-60.00"),
     (-6, ("0", "-40.00"), "60.00"), (1, ("0.02", "0"), "0.00"), (1, ("0.06", "0"), "0.02")],
)  # fmt: skip
def test_who_pays_follows_from_direction_and_price_and_halves_of_a_cent_go_to_even(mw, prices, amount):
    period = settled((PTU, mw), (PTU + 225, 0), up_price=prices[0], down_price=prices[1])[68]
    assert period.amount_eur == Decimal(amount)


def test_nothing_is_never_written_with_a_minus():
    for period in settled((PTU, -1), (PTU + 1, 0), up_price="-100.00", down_price="0.01"):
        assert "-0.00" not in {str(period.amount_eur), str(period.penalty_eur)}


def test_amounts_can_be_worked_out_from_what_is_printed():
    for period in settled((PTU, 5), (PTU + 7, -1), (PTU + 11, 2), up_price="14999.99", down_price="-14999.99"):
        printed = (
            period.requested_up_mwh * period.price_up_eur_per_mwh
            - period.requested_down_mwh * period.price_down_eur_per_mwh
        )
        assert period.amount_eur == printed.quantize(Decimal("0.01"))


@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 29), 92), (DAY, 96), (date(2026, 10, 25), 100)])
def test_a_day_starts_at_dutch_midnight_and_has_92_96_or_100_ptus(day, count):
    last = cycle_of(day_interval(day).ends_at) - 225
    periods = settled((last, 6), day=day, ptu=last)
    assert [period.position for period in periods] == list(range(1, count + 1))
    assert periods[0].starts_at == day_interval(day).starts_at
    # and the PTU before the next midnight still belongs to it
    assert [period.position for period in periods if period.requested_up_mwh] == [count]
    assert periods[-1].requested_up_mwh == Decimal("1.500000")


def test_a_midnight_under_full_activation_parts_the_energy_between_two_days():
    first = cycle_of(day_interval(DAY).starts_at)
    ramped = replace(TERMS, is_ramped=True)
    before = settled((first - 225, 6), (first, 0), terms=ramped, ptu=first - 225, day=date(2026, 1, 13))
    after = settled((first - 225, 6), (first, 0), terms=ramped, ptu=first - 225)
    # the ramp out runs in the first PTU of the new day
    assert before[-1].requested_up_mwh + after[0].requested_up_mwh == Decimal("1.500000")
    assert after[0].requested_up_mwh == Decimal("0.246667")
    assert after[0].price_up_eur_per_mwh == 100


def test_who_delivers_nothing_is_paid_and_owes_the_penalty():
    period = settled((PTU, 6), (PTU + 225, 0), delivered=lambda told: [0.0] * len(told))[68]
    assert period.amount_eur == Decimal("150.00")
    assert Decimal("1.1") < period.missed_up_mwh < Decimal("1.3")
    assert period.penalty_eur == (period.missed_up_mwh * 1000).quantize(Decimal("0.01"))
    assert period.missed_down_mwh == 0


def test_a_step_just_before_midnight_leaves_its_time_to_react_in_the_new_day():
    first = cycle_of(day_interval(DAY).starts_at)
    day = settled((first - 1, 6), (first + 225, 0), ptu=first - 225, delivered=lambda told: [0.0] * len(told))
    assert day[0].requested_up_mwh == Decimal("1.500000")
    assert Decimal("1.1") < day[0].missed_up_mwh < Decimal("1.3")


def test_who_does_as_told_owes_nothing():
    assert all(period.penalty_eur == 0 for period in settled((PTU, 6), (PTU + 100, -6), (PTU + 225, 0)))


def test_another_model_counts_otherwise():
    terms = replace(TERMS, compliance_model="none")
    assert settled((PTU, 6), terms=terms, delivered=lambda told: [0.0] * len(told))[68].penalty_eur == 0
