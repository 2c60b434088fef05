"""Setpoints and prices over cycles: stepped, ramped, over the end of a PTU, and with a BSP that is not heard."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mock_gopacs.tennet.activation import Activation
from mock_gopacs.tennet.cycles import cycle_of, cycles_of, start_of
from mock_gopacs.tennet.ladder import Direction, Offer
from mock_gopacs.tennet.terms import Terms

PTU = cycle_of(datetime(2026, 1, 14, 17, tzinfo=UTC))
NEXT = PTU + 225
ALWAYS = Terms(lost_after=None)
RAMPED = Terms(lost_after=None, is_ramped=True)


def offer(key, price, mw, *, direction=Direction.UP, bsp="ours"):
    return Offer(key, bsp, f"bid-{key}", direction, Decimal(mw), Decimal(price))


def market(*demand, terms=ALWAYS, offers=None, heard=None):
    """Ours at 100 and others at 80 in the PTU, 6 MW of each and each way, and only the others in the next."""
    others = [offer(2, 80, 6, bsp="others"), offer(4, 20, 6, direction=Direction.DOWN, bsp="others")]
    ours = [offer(1, 100, 6), offer(3, 10, 6, direction=Direction.DOWN)]
    changes = [(cycle, Decimal(mw)) for cycle, mw in demand]
    return Activation(terms, changes, offers or {PTU: [*ours, *others], NEXT: others}, heard or {"ours": []})


def setpoints(activation, first, count=1):
    return activation.setpoints_mw("ours", range(first, first + count))


def test_a_ptu_has_225_cycles_numbered_on():
    assert cycles_of(start_of(PTU)) == range(PTU, PTU + 225)
    assert cycle_of(start_of(PTU) + timedelta(seconds=7)) == PTU + 1


def test_a_step_in_the_demand_steps_the_setpoint_in_its_cycle_and_back():
    activation = market((PTU + 3, 9), (PTU + 5, -8), (PTU + 6, 0))
    assert setpoints(activation, PTU + 2, 5) == [0, 3, 3, -2, 0]


def test_nothing_is_never_told_with_a_minus():
    others_only = market((PTU, -3), (PTU + 1, Decimal("-6.001")), (PTU + 2, 0))
    assert str(setpoints(others_only, PTU)[0]) == "0"
    ramped = market((PTU, Decimal("-6.001")), (PTU + 1, 0), terms=RAMPED)
    assert str(setpoints(ramped, PTU)[0]) == "0.000"


def test_a_new_merit_order_may_switch_off_in_one_cycle():
    assert setpoints(market((PTU, 9)), NEXT - 1, 2) == [3, 0]


def test_a_ramp_takes_the_full_activation_time_and_runs_out_beyond_the_ptu():
    activation = market((PTU + 100, 12), terms=RAMPED)
    up = setpoints(activation, PTU + 99, 77)
    assert up[:3] == [0, Decimal("0.080"), Decimal("0.160")]
    assert (up[74], up[75], up[76]) == (Decimal("5.920"), 6, 6)
    out = setpoints(activation, NEXT - 1, 77)
    assert (out[0], out[1], out[75], out[76]) == (6, Decimal("5.920"), 0, 0)


def test_the_price_of_a_ptu_is_its_dearest_cycle_per_direction():
    activation = market((PTU + 3, 9), (PTU + 4, 5), (PTU + 9, -3), (PTU + 10, 0))
    assert activation.price_eur_per_mwh(PTU, Direction.UP) == 100
    assert activation.price_eur_per_mwh(PTU, Direction.DOWN) == 20


def test_without_activation_the_price_is_where_it_would_begin():
    assert market().price_eur_per_mwh(PTU, Direction.UP) == 80
    assert market().price_eur_per_mwh(PTU, Direction.DOWN) == 20
    assert market().price_eur_per_mwh(NEXT + 225, Direction.UP) == 0


def test_the_tail_of_a_ramp_is_paid_as_the_cycles_it_comes_from():
    activation = market((PTU, 12), (NEXT, 0), terms=RAMPED)
    assert setpoints(activation, NEXT)[0] > 5
    assert activation.price_eur_per_mwh(NEXT, Direction.UP) == 100
    assert market((PTU, 12), (NEXT, 0)).price_eur_per_mwh(NEXT, Direction.UP) == 80


def test_a_bsp_is_asked_from_the_cycle_after_it_was_heard_for_a_minute():
    activation = market((PTU, 9), terms=Terms(), heard={"ours": [PTU + 2]})
    assert setpoints(activation, PTU + 1, 2) == [0, 0]
    assert setpoints(activation, PTU + 3, 15) == [3] * 15
    assert setpoints(activation, PTU + 18) == [0]
    # and while it is not heard, others set the price alone
    assert activation.clearing(PTU + 18).price_eur_per_mwh == 80


changes = st.dictionaries(st.integers(PTU - 80, NEXT + 100), st.integers(-15, 15), max_size=6)


@given(changes, st.booleans(), st.integers(PTU, NEXT + 80), st.integers(1, 60))
def test_a_cycle_is_the_same_whoever_asks_for_whatever_around_it(changes, is_ramped, first, count):
    terms = RAMPED if is_ramped else ALWAYS
    whole = setpoints(market(*sorted(changes.items()), terms=terms), first, count)
    one_by_one = [setpoints(market(*sorted(changes.items()), terms=terms), first + step)[0] for step in range(count)]
    assert whole == one_by_one


@given(changes, st.integers(PTU, NEXT + 80))
def test_a_ramp_stays_within_its_targets_and_moves_no_faster_than_they_do(changes, cycle):
    activation = market(*sorted(changes.items()), terms=RAMPED)
    targets = [activation.clearing(each).target_mw("ours") for each in range(cycle - 75, cycle + 1)]
    before, now = setpoints(activation, cycle - 1, 2)
    assert min(targets[1:]) <= now <= max(targets[1:])
    assert abs(now - before) <= (max(targets) - min(targets)) / 75 + Decimal("0.001")
