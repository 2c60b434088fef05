import numpy as np
import pytest

from bidding.forecast.late_arrivals import late_arrivals_kw
from bidding.forecast.sessions import PluggedIn, SessionTable
from tests.unit.bidding.forecast.fleets import instant_s

TODAY = 25  # a Friday: eighteen weekdays lie before it, the first of which is where the data begin
STARTS_S = instant_s(TODAY, 17)
NOW_S = STARTS_S - 480
QUARTER_S = 900


def history(*arrivals, energy_kwh=30.0, days=range(TODAY)):
    """Each arrival (charger, seconds after 17:00) on each of the days, for an hour at least."""
    rows = [(name, instant_s(day, 17) + after_s) for day in days for name, after_s in arrivals]
    return SessionTable.from_columns(
        charger_ids=[name for name, _ in rows],
        plug_in_s=[at_s for _, at_s in rows],
        plug_out_s=[at_s + 6 * 3600 for _, at_s in rows],
        energy_kwh=[energy_kwh] * len(rows),
        power_kw=[11.0] * len(rows),
    )


def plugged_in(*chargers):
    count = len(chargers)
    return PluggedIn(
        charger=np.array(chargers, dtype=np.int32),
        plug_in_s=np.full(count, NOW_S - 3600),
        power_kw=np.full(count, 11.0),
        declared_plug_out_s=np.full(count, np.nan),
        declared_energy_kwh=np.full(count, np.nan),
        card=np.full(count, -1, dtype=np.int32),
    )


def late_kw(sessions, here=None, *, quantile=0.95):
    return late_arrivals_kw(
        sessions,
        here or plugged_in(),
        now_s=NOW_S,
        starts_s=STARTS_S,
        ends_s=STARTS_S + QUARTER_S,
        timezone="UTC",
        quantile=quantile,
    )


@pytest.mark.parametrize(
    ("after_s", "expected_kw"),
    [(-300, 11.0), (0, 11.0), (300, 11.0 * 10 / 15), (840, 11.0 / 15), (900, 0.0), (-480, 0.0), (-481, 0.0)],
    ids=["before it", "at its start", "inside", "in its last minute", "after it", "as we look", "known already"],
)
def test_a_car_counts_from_its_arrival(after_s, expected_kw):
    assert late_kw(history(("a", after_s))) == pytest.approx(expected_kw)


def test_a_car_counts_until_it_is_full():
    assert late_kw(history(("a", 0), energy_kwh=1.0)) == pytest.approx(4.0)


def test_where_a_car_stands_nobody_comes():
    assert late_kw(history(("a", 0), ("b", 0)), plugged_in(0)) == pytest.approx(11.0)


def test_without_a_past_nobody_is_expected():
    assert late_kw(history()) == 0.0


def test_the_busiest_days_are_left_out_by_the_quantile():
    quiet, busy = history(("a", 0)), history(("b", 60), days=[TODAY - 7, TODAY - 14])
    both = SessionTable.from_columns(
        charger_ids=["a"] * len(quiet) + ["b"] * len(busy),
        plug_in_s=[*quiet.plug_in_s, *busy.plug_in_s],
        plug_out_s=[*quiet.plug_out_s, *busy.plug_out_s],
        energy_kwh=[*quiet.energy_kwh, *busy.energy_kwh],
        power_kw=[*quiet.power_kw, *busy.power_kw],
    )
    assert late_kw(both, quantile=0.5) == pytest.approx(11.0)
    assert late_kw(both, quantile=0.95) == pytest.approx(11.0 + 11.0 * 14 / 15)
