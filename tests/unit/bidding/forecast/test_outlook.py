import numpy as np
import pytest

from bidding.dispatch.allocation.expectations import fitting_samples
from bidding.dispatch.allocation.view import DispatchView
from bidding.forecast.outlook import FEWEST_SAMPLES, OWN_SESSIONS, SAMPLES, OutlookModel
from bidding.forecast.sessions import SessionTable
from tests.unit.bidding.forecast.fleets import evening_fleet, instant_s

DAYS = 120


@pytest.fixture(scope="module")
def sessions():
    return evening_fleet(chargers=20, days=DAYS)


def cars_of_last_day(sessions):
    now_s = instant_s(DAYS - 1, 20)
    return np.flatnonzero((sessions.plug_in_s <= now_s) & (sessions.plug_out_s > now_s)), now_s


@pytest.mark.parametrize(
    ("samples_at_once", "each"), [(10**6, SAMPLES), (SAMPLES * 20, SAMPLES), (100 * 20, 100), (0, FEWEST_SAMPLES)]
)
def test_few_cars_have_all_their_samples_and_many_have_fewer_each(sessions, samples_at_once, each):
    rows = np.arange(len(sessions) - 20, len(sessions))
    outlook = OutlookModel(sessions, timezone="UTC").of(
        rows, now_s=instant_s(DAYS - 1, 20), samples_at_once=samples_at_once
    )
    assert outlook.stay_h.shape == outlook.energy_kwh.shape == outlook.weight.shape == (20, each)
    assert outlook.own == each // 4


def test_cars_are_looked_up_alike_in_pieces(sessions, monkeypatch):
    rows, now_s = cars_of_last_day(sessions)
    whole = OutlookModel(sessions, timezone="UTC").of(rows, now_s=now_s)
    monkeypatch.setattr("bidding.forecast.outlook.CARS_AT_ONCE", 7)
    pieces = OutlookModel(sessions, timezone="UTC").of(rows, now_s=now_s)
    for name in ("stay_h", "energy_kwh", "weight"):
        assert (getattr(whole, name) == getattr(pieces, name)).all()


def test_own_samples_are_earlier_sessions_of_the_charger(sessions):
    rows, now_s = cars_of_last_day(sessions)
    outlook = OutlookModel(sessions, timezone="UTC").of(rows, now_s=now_s)
    for car, row in enumerate(rows):
        earlier = sessions.energy_kwh[:row][sessions.charger[:row] == sessions.charger[row]][-OWN_SESSIONS:]
        own = outlook.energy_kwh[car, : outlook.own][outlook.weight[car, : outlook.own] > 0]
        assert len(own) == outlook.own
        assert len(set(own)) == len(own)
        assert set(own) <= set(earlier)


def test_samples_lasted_longer_than_the_car_has_been_here():
    """One in twenty stays for ten hours, the others for one: after two hours only the former are alike."""
    starts = np.array([instant_s(day, 12 + number / 60) for day in range(60) for number in range(20)])
    stay_h = np.where(np.arange(len(starts)) % 20 == 3, 10.0, 1.0)
    table = SessionTable.from_columns(
        charger_ids=[f"C{number}" for number in range(len(starts))],
        plug_in_s=starts,
        plug_out_s=starts + (3600 * stay_h).astype(np.int64),
        energy_kwh=np.ones(len(starts)),
        power_kw=np.full(len(starts), 11.0),
    )
    car = np.array([len(starts) - 20])
    outlook = OutlookModel(table, timezone="UTC").of(car, now_s=int(starts[car[0]]) + 2 * 3600, samples_at_once=0)
    counted = outlook.weight[0] > 0
    assert counted.sum() == FEWEST_SAMPLES - outlook.own
    assert (outlook.stay_h[0, counted] == 10.0).all()


def test_a_session_that_is_not_over_tells_nothing_yet():
    """Each of ten chargers is taken for two hours from noon; at the middle of the last ones only earlier days speak."""
    starts = np.array([instant_s(day, 12) for day in range(20) for _ in range(10)])
    days = np.repeat(np.arange(20), 10)
    table = SessionTable.from_columns(
        charger_ids=[f"C{number % 10}" for number in range(len(starts))],
        plug_in_s=starts,
        plug_out_s=starts + 7200,
        energy_kwh=days + 0.5,
        power_kw=np.full(len(starts), 50.0),
    )
    cars = np.arange(len(starts) - 10, len(starts))
    outlook = OutlookModel(table, timezone="UTC").of(cars, now_s=int(starts[-1]) + 3600)
    assert outlook.energy_kwh[outlook.weight > 0].max() < 19


def test_a_small_pool_is_not_counted_twice(sessions):
    rows, _ = cars_of_last_day(sessions)
    first_days = OutlookModel(sessions, timezone="UTC").of(rows, now_s=instant_s(2, 12))
    for car in range(len(rows)):
        counted = first_days.energy_kwh[car, first_days.own :][first_days.weight[car, first_days.own :] > 0]
        assert len(set(counted)) == len(counted) > 0


def test_the_pool_holds_sessions_of_that_time_of_day_that_are_over_by_now():
    """Mornings of 2 kWh, evenings of 20, and one session of 99 that ends after now: an evening car sees evenings."""
    rows = [("M", instant_s(day, 8), instant_s(day, 9), 2.0) for day in range(DAYS)]
    rows += [("E", instant_s(day, 18), instant_s(day, 23), 20.0) for day in range(DAYS)]
    rows += [("L", instant_s(DAYS - 2, 18), instant_s(DAYS + 3, 0), 99.0)]
    rows += [("N", instant_s(DAYS, 18), instant_s(DAYS, 23), 0.0)]
    names, starts, ends, energy = zip(*rows, strict=True)
    table = SessionTable.from_columns(
        charger_ids=names, plug_in_s=starts, plug_out_s=ends, energy_kwh=energy, power_kw=np.full(len(rows), 22.0)
    )
    car = np.flatnonzero(table.energy_kwh == 0.0)
    outlook = OutlookModel(table, timezone="UTC").of(car, now_s=instant_s(DAYS, 18))
    share = outlook.weight[0] / outlook.weight[0].sum()
    assert share[outlook.energy_kwh[0] == 20.0].sum() > 0.999
    assert share[outlook.energy_kwh[0] == 99.0].sum() == 0.0
    assert (outlook.weight[0, : outlook.own] == 0).all()


def test_plenty_of_samples_tell_departures_better_than_few():
    rng = np.random.default_rng(4)
    day = np.arange(1500) // 15
    plug_in_s = np.array([instant_s(int(number), 0) for number in day]) + rng.integers(15 * 3600, 21 * 3600, len(day))
    stay_h = rng.gamma(2.0, 3.0, len(day))
    table = SessionTable.from_columns(
        charger_ids=[f"C{number}" for number in range(len(day))],
        plug_in_s=plug_in_s,
        plug_out_s=plug_in_s + (3600 * stay_h).astype(np.int64),
        energy_kwh=rng.lognormal(2.3, 0.8, len(day)),
        power_kw=np.full(len(day), 50.0),
    )
    cars, now_s = np.arange(1200, 1300), instant_s(80, 0)

    def surprise(samples_each):
        """Mean surprise at who leaves within four hours, when what each car takes is known."""
        nothing = np.zeros(len(cars))
        samples = fitting_samples(
            DispatchView(
                ptu_h=0.25,
                left_in_window_h=2.0,
                elapsed_h=nothing,
                power_kw=table.power_kw[cars],
                takes_kw=table.power_kw[cars],
                floor_kw=nothing,
                v2g=nothing > 0,
                energy_in_kwh=nothing,
                left_kwh=table.energy_kwh[cars],
                planned_kwh=None,
                outlook=OutlookModel(table, timezone="UTC").of(
                    cars, now_s=now_s, samples_at_once=samples_each * len(cars)
                ),
            )
        )
        chance = samples.chance(samples.left_h < 4.0)
        leaves = table.stay_h[cars] < 4.0
        return float(-np.log(np.where(leaves, chance, 1 - chance)).mean())

    assert surprise(SAMPLES) < surprise(FEWEST_SAMPLES)


def test_a_car_on_a_public_holiday_is_compared_with_those_of_days_off():
    """Cars stay for an hour on working days and for ten at weekends, until Easter Monday of 2024."""
    days = np.arange(92)
    starts = np.array([instant_s(day, 12) for day in days])
    stay_h = np.where(days % 7 >= 5, 10.0, 1.0)
    table = SessionTable.from_columns(
        charger_ids=[f"C{day}" for day in days],
        plug_in_s=starts,
        plug_out_s=starts + (3600 * stay_h).astype(np.int64),
        energy_kwh=np.ones(len(days)),
        power_kw=np.full(len(days), 11.0),
    )
    monday = np.array([91])
    stays_h = {}
    for zone in ("UTC", "Europe/Amsterdam"):
        outlook = OutlookModel(table, timezone=zone).of(monday, now_s=int(starts[91]))
        stays_h[zone] = set(outlook.stay_h[outlook.weight > 0].tolist())
    assert stays_h["UTC"] == {1.0}
    assert stays_h["Europe/Amsterdam"] == {10.0, 1.0}  # Good Friday is a day off too, and cars stayed for an hour
