from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.interval import Interval, InvalidInterval, utc
from aggregator.core.ptu import PTU, day_interval, ptu_number, ptu_range, ptu_start, ptus_of_day

SUMMER_STARTS, SUMMER_ENDS = date(2026, 3, 29), date(2026, 10, 25)


@pytest.mark.parametrize(("day", "count"), [(SUMMER_STARTS, 92), (SUMMER_ENDS, 100), (date(2026, 1, 14), 96)])
def test_a_day_has_92_96_or_100_ptus(day, count):
    ptus = ptus_of_day(day)
    assert len(ptus) == count
    assert [ptu_number(ptu) for ptu in ptus] == list(range(1, count + 1))


def test_the_hour_that_comes_twice_has_two_sets_of_numbers():
    first_half_past_two = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    second_half_past_two = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert (ptu_number(first_half_past_two), ptu_number(second_half_past_two)) == (11, 15)


def test_the_evening_window_has_the_numbers_of_the_specification():
    evening = Interval(datetime(2026, 7, 1, 15, tzinfo=UTC), datetime(2026, 7, 1, 17, tzinfo=UTC))
    assert [ptu_number(ptu) for ptu in ptu_range(evening)] == list(range(69, 77))


@given(st.integers(1_577_836_800, 1_924_992_000))
def test_every_instant_lies_in_its_ptu(second):
    instant = datetime.fromtimestamp(second, UTC)
    start = ptu_start(instant)
    assert start <= instant < start + PTU
    assert ptu_number(start) == ptu_number(instant)


def test_a_period_off_the_grid_is_refused():
    with pytest.raises(InvalidInterval, match="does not lie on a quarter hour"):
        ptu_range(Interval(datetime(2026, 1, 1, 0, 5, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC)))


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(InvalidInterval, match="has no time zone"):
        utc(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


def test_a_period_that_ends_before_it_starts_is_refused():
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    with pytest.raises(InvalidInterval, match="not after its start"):
        Interval(noon, noon)


def test_periods_are_half_open_and_kept_in_utc():
    plus_one = timezone(timedelta(hours=1))
    period = Interval(datetime(2026, 1, 1, 1, tzinfo=plus_one), datetime(2026, 1, 1, 2, tzinfo=plus_one))
    assert period.starts_at == datetime(2026, 1, 1, 0, tzinfo=UTC)
    assert period.starts_at in period
    assert period.ends_at not in period
    assert not period.overlaps(Interval(period.ends_at, period.ends_at + PTU))
    assert period.overlaps(Interval(period.starts_at + PTU, period.ends_at + PTU))


def test_a_day_of_summer_time_change_is_23_hours():
    assert day_interval(SUMMER_STARTS).duration == timedelta(hours=23)
