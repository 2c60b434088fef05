from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bidding.forecast.temperature_files import read_temperatures
from bidding.forecast.temperatures import day_means_c, heating_need
from bidding.forecast.timed_values import ValuesInvalid

MIDNIGHT_S = 1_768_345_200  # 2026-01-14 in the Netherlands, day 20 467
DAY = 20_467


def file_of(*rows):
    return ["utc,celsius", *rows]


def test_hours_are_read_with_their_offset():
    assert read_temperatures(file_of("2026-01-14T20:00:00+01:00,-1.5", "2026-01-14T20:00:00Z,2")) == {
        datetime(2026, 1, 14, 19, tzinfo=UTC): Decimal("-1.5"),
        datetime(2026, 1, 14, 20, tzinfo=UTC): Decimal(2),
    }


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["2026-01-14T19:00,1"], "line 2: 2026-01-14T19:00 has no offset"),
        (["2026-01-14T19:00Z,1", "2026-01-14T19:15Z,1"], "line 3: 2026-01-14T19:15Z is not the start of an hour"),
        (["2026-01-14T19:00Z,1", "2026-01-14T20:00+01:00,2"], "line 3: .* stands in an earlier line"),
        (["soon,1"], "line 2: 'soon', '1' is not a time and a temperature"),
        (["2026-01-14T19:00Z"], "line 2: .* is not a time and a temperature"),
        (["2026-01-14T19:00Z,nan"], "line 2: NaN is not a temperature"),
        (["2026-01-14T19:00Z,280"], "line 2: 280 is not a temperature between -60 and 60 °C"),
        ([], "no temperatures below"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_by_line(rows, says):
    with pytest.raises(ValuesInvalid, match=says):
        read_temperatures(file_of(*rows))


def test_a_file_without_its_columns_is_refused():
    with pytest.raises(ValuesInvalid, match="lacks celsius"):
        read_temperatures(["utc,kelvin", "2026-01-14T19:00Z,280"])


def test_days_are_local_and_one_of_which_little_is_known_says_nothing():
    hours_c = {MIDNIGHT_S + 3600 * hour: float(hour) for hour in range(-11, 24)}
    assert day_means_c(hours_c, timezone="Europe/Amsterdam") == {DAY: 11.5}
    assert day_means_c({}, timezone="Europe/Amsterdam") == {}


def test_heating_takes_more_when_it_is_cold_and_nothing_when_it_is_warm():
    assert heating_need([2.0, 20.0, 25.0]).tolist() == [18.0 / 3.4, 0.0, 0.0]
    assert heating_need(-5.0) > 2 * heating_need(7.0)
