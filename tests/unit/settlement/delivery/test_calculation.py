"""Baseline against meter values."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from settlement.delivery.calculation import INCREASE, REDUCE, GroupEnergy, Orders, measure


def group(baseline_wh, metered_wh, *, member=None, metered=None, known=None):
    baseline_wh, metered_wh = np.array(baseline_wh, dtype=np.int64), np.array(metered_wh, dtype=np.int64)
    everywhere = np.ones(baseline_wh.shape, dtype=np.bool_)
    return GroupEnergy(
        is_member=everywhere if member is None else np.array(member),
        baseline_wh=baseline_wh,
        has_baseline=everywhere if known is None else np.array(known),
        metered_wh=metered_wh,
        has_meter_value=everywhere if metered is None else np.array(metered),
    )


def watts(*values: int):
    return np.array(values, dtype=np.int64)


def alone(ordered_w):
    """Return an order that nothing runs beside."""
    rows = ordered_w[np.newaxis]
    return Orders(place=0, is_there=np.ones(rows.shape, dtype=np.bool_), ordered_w=rows, steered_w=rows)


def test_delivered_is_baseline_minus_metered_and_paid_up_to_the_order():
    # given two assets in three PTUs, ordered 8 kW: too much, too little, the wrong way
    energy = group([[3000, 3000, 100], [0, 0, 0]], [[0, 2000, 500], [-500, 0, 0]])
    result = measure(energy, sign=REDUCE, orders=alone(watts(8000, 8000, 8000)))
    assert result.baseline_wh.tolist() == [3000, 3000, 100]
    assert result.metered_wh.tolist() == [-500, 2000, 500]
    assert result.delivered_wh.tolist() == [3500, 1000, -400]
    assert result.paid_wh.tolist() == [2000, 1000, 0]
    assert result.contribution_wh.tolist() == [[3000, 1000, 0], [500, 0, 0]]


def test_increase_counts_the_other_way():
    result = measure(group([[100]], [[900]]), sign=INCREASE, orders=alone(watts(2000)))
    assert result.delivered_wh.tolist() == [800]
    assert result.paid_wh.tolist() == [500]
    assert result.contribution_wh.tolist() == [[800]]


def test_a_missing_value_is_not_a_zero():
    # given an asset whose meter value is missing: a zero would have delivered its whole baseline
    energy = group([[2000], [2750]], [[500], [0]], metered=[[True], [False]])
    result = measure(energy, sign=REDUCE, orders=alone(watts(100_000)))
    assert result.baseline_wh.tolist() == [2000]
    assert result.metered_wh.tolist() == [500]
    assert result.delivered_wh.tolist() == [1500]
    assert result.is_missing.tolist() == [[False], [True]]
    assert (energy.received_values, energy.expected_values) == (1, 2)


def test_an_asset_without_a_baseline_does_not_count_either():
    energy = group([[2000], [0]], [[500], [700]], known=[[True], [False]])
    result = measure(energy, sign=REDUCE, orders=alone(watts(100_000)))
    assert result.delivered_wh.tolist() == [1500]
    assert result.is_missing.tolist() == [[False], [True]]
    assert (energy.received_values, energy.expected_values) == (2, 2)


def test_an_asset_counts_only_while_it_is_a_member():
    energy = group([[2000, 2000]], [[0, 0]], member=[[True, False]])
    result = measure(energy, sign=REDUCE, orders=alone(watts(100_000, 100_000)))
    assert result.delivered_wh.tolist() == [2000, 0]
    assert result.is_missing.tolist() == [[False, False]]
    assert energy.expected_values == 1


def test_a_nominated_baseline_loses_the_part_of_missing_assets():
    # given a nomination of 5 kWh for two assets of which one, worth 2 kWh, has no meter value
    energy = group([[2500], [2000]], [[1000], [0]], metered=[[True], [False]])
    result = measure(energy, sign=REDUCE, orders=alone(watts(100_000)), nominated_wh=watts(5000))
    assert result.baseline_wh.tolist() == [3000]
    assert result.delivered_wh.tolist() == [2000]


_shape = (3, 4)
_energy = arrays(np.int64, _shape, elements=st.integers(-3000, 3000))
_mask = arrays(np.bool_, _shape)


@given(_energy, _energy, _mask, _mask, _mask, st.sampled_from([REDUCE, INCREASE]), st.integers(0, 20_000))
def test_paid_is_between_zero_and_ordered_and_covered_by_contributions(
    baseline_wh, metered_wh, member, metered, known, sign, ordered_w
):
    energy = GroupEnergy(member, baseline_wh, known, metered_wh, metered)
    result = measure(energy, sign=sign, orders=alone(np.full(4, ordered_w, dtype=np.int64)))
    assert (result.paid_wh >= 0).all()
    assert (result.paid_wh * 4 <= ordered_w).all()
    assert (result.contribution_wh.sum(axis=0) >= result.paid_wh).all()
    assert not (result.contribution_wh[~energy.is_counted]).any()


@given(arrays(np.int64, 4, elements=st.integers(-9000, 20_000)), _mask, _energy)
def test_every_watt_hour_counts_for_one_of_the_orders_that_run_together(moved_wh, is_there, power_w):
    ordered_w = np.where(is_there, np.abs(power_w) * 4, 0)
    is_there[0] = True
    parts_wh = [
        Orders(place=place, is_there=is_there, ordered_w=ordered_w, steered_w=ordered_w // 2).part_wh(moved_wh)
        for place in range(3)
    ]
    assert np.sum(parts_wh, axis=0).tolist() == moved_wh.tolist()
    last = 2 - np.argmax(is_there[::-1], axis=0)
    assert all((parts_wh[place] * 4 <= ordered_w[place])[last != place].all() for place in range(3))
