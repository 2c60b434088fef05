"""Outdoor temperatures in, and what sizing makes of them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, transaction

from aggregator.core.interval import Interval
from bidding import weather
from bidding.models import OutdoorTemperature
from bidding.operations import sizing
from bidding.operations.timed_values import store_values

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
EVENING = Interval(datetime(2026, 1, 14, 17, tzinfo=UTC), datetime(2026, 1, 14, 17, 30, tzinfo=UTC))


def hour_s(at):
    return int(at.timestamp())


def test_a_bad_file_stores_nothing(db, tmp_path):
    path = tmp_path / "temperatures.csv"
    path.write_text("utc,celsius\n2026-01-14T19:00Z,1\n2026-01-14T20:00Z,x\n", encoding="utf-8")
    with pytest.raises(CommandError, match=r"line 3: .* Nothing was stored\."):
        call_command("import_outdoor_temperatures", str(path))
    assert not OutdoorTemperature.objects.exists()


def test_a_file_comes_in_once_and_what_was_known_stays(db, tmp_path, capsys):
    path = tmp_path / "temperatures.csv"
    path.write_text("utc,celsius\n2026-01-14T19:00Z,1.04\n2026-01-14T20:00Z,-2\n", encoding="utf-8")
    for expected in ("2 hours stored, 0 known", "0 hours stored, 2 known"):
        call_command("import_outdoor_temperatures", str(path))
        assert expected in capsys.readouterr().out
    with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
        OutdoorTemperature.objects.update(celsius=0)


def test_a_moment_knows_the_newest_of_what_had_come_in_by_then(db):
    at = EVENING.starts_at
    store_values(OutdoorTemperature, values={at: Decimal(3)}, source="forecast", now=NOON)
    store_values(OutdoorTemperature, values={at: Decimal(1)}, source="measured", now=NOON + timedelta(hours=9))

    known_c = [weather.hours_c(period=EVENING, now=NOON + timedelta(hours=hours)) for hours in (-1, 0, 9)]

    assert known_c == [{}, {hour_s(at): 3.0}, {hour_s(at): 1.0}]


def test_heat_pumps_take_what_the_weather_asks(db):
    mild = {EVENING.starts_at - timedelta(days=day): Decimal(7) for day in (1, 2)}
    store_values(OutdoorTemperature, values=mild, source="measured", now=NOON)
    assert weather.heating_factor(period=EVENING, days=2, now=NOON).tolist() == [1.0, 1.0]  # of today nothing is known

    store_values(OutdoorTemperature, values={EVENING.starts_at: Decimal(2)}, source="forecast", now=NOON)

    expected = (18 / 3.4) / (13 / 4.2)
    assert weather.heating_factor(period=EVENING, days=2, now=NOON).tolist() == pytest.approx([expected, expected])
    assert weather.heating_factor(period=EVENING, days=3, now=NOON).tolist() == [1.0, 1.0]  # a day is missing


def test_a_bid_is_sized_by_the_weather_as_it_was_known(announcement, group, now, monkeypatch):
    given = {}

    def size_window(**asked):
        given.update(asked)
        raise InterruptedError

    monkeypatch.setattr(sizing, "size_window", size_window)
    midnight = announcement.starts_at.replace(hour=0, minute=0)
    known = {midnight + timedelta(hours=hour): Decimal(4) for hour in range(23)}
    store_values(OutdoorTemperature, values=known, source="forecast", now=now)
    warmer = dict.fromkeys(known, Decimal(9))
    store_values(OutdoorTemperature, values=warmer, source="later", now=now + timedelta(minutes=1))

    with pytest.raises(InterruptedError):
        sizing.size(announcement=announcement, aggregation_ean=group, now=now)

    assert given["outdoor_c"] == {hour_s(midnight) // 86_400: 4.0}
