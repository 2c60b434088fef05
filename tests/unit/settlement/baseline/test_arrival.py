"""Charging on arrival, in whole watt-hours."""

from datetime import UTC, date, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.ptu import ptus_of_day
from bidding.forecast.baselines import arrival_kwh
from settlement.baseline.arrival import SessionNeeds, arrival_wh

NOON_S = int(datetime(2026, 1, 14, 12, tzinfo=UTC).timestamp())


def needs(*rows: tuple[int, ...]):
    """Build needs from (asset, plug-in, plug-out, needed_wh, power_w) with times in seconds after noon."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    return SessionNeeds(columns[0], columns[1] + NOON_S, columns[2] + NOON_S, columns[3], columns[4])


def ptus(count, first=0):
    return NOON_S + 900 * np.arange(first, first + count, dtype=np.int64)


def test_full_power_from_plug_in_until_the_energy_is_in():
    # given a car that comes 6 minutes into a PTU and needs 5 kWh at 11 kW
    sessions = needs((0, 360, 36_000, 5_000, 11_000))

    # when its first four PTUs are asked
    energy_wh = arrival_wh(sessions, ptu_starts_s=ptus(4), assets=1)

    # then 9 minutes of power, a full PTU, and the rest: 1650 + 2750 + 600
    assert energy_wh.tolist() == [[1_650, 2_750, 600, 0]]


def test_energy_that_does_not_fit_in_the_stay_is_cut_off():
    # given 20 minutes at 6 kW, which is 2 kWh, for a need of 9 kWh
    sessions = needs((0, 0, 1_200, 9_000, 6_000))
    assert arrival_wh(sessions, ptu_starts_s=ptus(3), assets=1).tolist() == [[1_500, 500, 0]]


def test_a_session_that_began_before_the_window_has_already_charged():
    # given 10 kWh at 10 kW from half an hour before noon
    sessions = needs((0, -1_800, 36_000, 10_000, 10_000))
    assert arrival_wh(sessions, ptu_starts_s=ptus(3), assets=1).tolist() == [[2_500, 2_500, 0]]


def test_sessions_of_one_asset_add_up_and_assets_stay_apart():
    sessions = needs((1, 0, 450, 9_000, 8_000), (1, 600, 900, 9_000, 6_000), (0, 0, 900, 100, 4_000))
    assert arrival_wh(sessions, ptu_starts_s=ptus(1), assets=3).tolist() == [[100], [1_500], [0]]


def test_no_sessions_is_no_energy():
    assert arrival_wh(needs(), ptu_starts_s=ptus(2), assets=2).tolist() == [[0, 0], [0, 0]]


def test_days_of_92_and_100_ptus_hold_the_whole_session():
    # given a car that charges 1 kW through the whole local day on which the clock changes
    for day, count in ((date(2026, 3, 29), 92), (date(2026, 10, 25), 100)):
        starts_s = np.array([int(start.timestamp()) for start in ptus_of_day(day)], dtype=np.int64)
        begin, end = int(starts_s[0]) - NOON_S, int(starts_s[-1]) + 900 - NOON_S
        energy_wh = arrival_wh(needs((0, begin, end, 1_000_000, 1_000)), ptu_starts_s=starts_s, assets=1)
        assert energy_wh.tolist() == [[250] * count]


_session = st.tuples(
    st.integers(0, 2),
    st.integers(-20_000, 8_000),
    st.integers(1, 30_000),
    st.integers(0, 60_000),
    st.integers(0, 22_000),
).map(lambda row: (row[0], row[1], row[1] + row[2], row[3], row[4]))


@given(st.lists(_session, max_size=8))
def test_all_ptus_together_hold_each_sessions_energy_exactly(rows):
    sessions = needs(*rows)
    energy_wh = arrival_wh(sessions, ptu_starts_s=ptus(80, first=-30), assets=3)
    expected = sum(min(row[3], row[4] * (row[2] - row[1]) // 3600) for row in rows)
    assert energy_wh.sum() == expected
    assert (energy_wh >= 0).all()


@given(_session)
def test_it_is_the_baseline_of_the_bid_to_a_watt_hour(row):
    _, plug_in, plug_out, needed_wh, power_w = row
    edges_s = NOON_S + 900 * np.arange(9, dtype=np.int64)
    stay_kwh = power_w * (plug_out - plug_in) / 3.6e6
    bid_kwh = arrival_kwh(
        np.array([plug_in + NOON_S]), np.array([min(needed_wh / 1000, stay_kwh)]), np.array([power_w / 1000]), edges_s
    )
    settled_wh = arrival_wh(needs(row), ptu_starts_s=edges_s[:-1], assets=3).sum(axis=0)
    assert np.abs(settled_wh - bid_kwh[0] * 1000).max() <= 1 + 1e-6
