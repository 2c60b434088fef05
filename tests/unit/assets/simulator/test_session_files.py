import gzip
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from aggregator.core.interval import Interval
from aggregator.core.ptu import MARKET_ZONE
from assets.simulator.session_files import InvalidSessionFile, read_session_file, replay
from tests.shared_data import shared_path

HEADER = "session_id,charger_id,site_id,category,plug_in_utc,plug_out_utc,energy_kwh,max_power_kw"
OSLO = ZoneInfo("Europe/Oslo")


def write(tmp_path, lines, header=HEADER):
    file = tmp_path / "sessions.csv.gz"
    file.write_bytes(gzip.compress("\n".join([header, *lines]).encode()))
    return file


def daily(charger="A", category="residential", first=date(2019, 1, 1), days=60, at="17:30", hours=3):
    """A car that comes every day at the same local time; its energy tells the day."""
    lines = []
    for number in range(days):
        start = datetime.combine(first + timedelta(days=number), datetime.strptime(at, "%H:%M").time(), OSLO)  # noqa: DTZ007 - the zone follows
        end = start.astimezone(UTC) + timedelta(hours=hours)
        times = f"{start.astimezone(UTC).isoformat()},{end.isoformat()}"
        lines.append(f"s{number},{charger},site,{category},{times},{1 + number / 100},7.4")
    return lines


def played(file, *, start=datetime(2026, 1, 5, tzinfo=UTC), weeks=2, chargers=1, seed=0):
    sessions = read_session_file(file, OSLO)
    return replay(
        file=sessions,
        places={"home": np.arange(chargers)},
        max_power_kw=np.full(chargers, 11.04),
        period=Interval(start, start + timedelta(weeks=weeks)),
        generator=np.random.default_rng(seed),
    )


def local(seconds):
    return [datetime.fromtimestamp(int(one), MARKET_ZONE) for one in seconds]


def test_a_session_keeps_weekday_and_time_of_day(tmp_path):
    sessions = played(write(tmp_path, daily()))
    assert len(sessions) == 14
    assert {f"{one:%H:%M}" for one in local(sessions.plug_in)} == {"17:30"}
    # The file's first whole week starts on Monday 7 January 2019, its day number 6.
    assert sessions.need_kwh == pytest.approx(1.06 + np.arange(14) / 100)
    assert (sessions.plug_out - sessions.plug_in == 3 * 3600).all()


def test_an_evening_stays_an_evening_when_the_clock_changes(tmp_path):
    winter_file = write(tmp_path, daily())
    sessions = played(winter_file, start=datetime(2026, 3, 23, tzinfo=UTC))
    assert {f"{one:%H:%M}" for one in local(sessions.plug_in)} == {"17:30"}
    assert {f"{one:%z}" for one in local(sessions.plug_in)} == {"+0100", "+0200"}


def test_the_second_replay_of_a_charger_starts_in_another_week(tmp_path):
    sessions = played(write(tmp_path, daily()), chargers=2)
    first, second = (sessions.need_kwh[sessions.asset == number] for number in (0, 1))
    assert len(first) == len(second) == 14
    assert (second - first)[0] == pytest.approx(0.07 * 3)


def test_after_the_last_week_comes_the_first(tmp_path):
    sessions = played(write(tmp_path, daily(days=24)), weeks=4)
    assert len(sessions) == 28
    assert sessions.need_kwh[:14] == pytest.approx(sessions.need_kwh[14:])


def test_weeks_with_a_gap_in_the_whole_file_are_not_played(tmp_path):
    lines = daily(days=20) + daily(first=date(2019, 2, 6), days=40)
    weeks = read_session_file(write(tmp_path, lines), OSLO).chargers[0].weeks
    assert len(weeks) == 2 + 4


def test_an_asset_replays_its_own_category_where_the_file_has_it(tmp_path):
    lines = daily("A", at="08:00") + daily("B", "public_ac", at="20:00")
    file = write(tmp_path, lines)
    assert {one.hour for one in local(played(file, chargers=3).plug_in)} == {8}


def test_fast_chargers_are_left_out(tmp_path):
    with pytest.raises(InvalidSessionFile, match="no sessions at AC chargers"):
        read_session_file(write(tmp_path, daily(category="public_dc")), OSLO)


def test_a_stated_power_that_cannot_carry_the_energy_is_not_believed(tmp_path):
    line = daily(hours=1)
    lines = [one.rsplit(",", 2)[0] + ",9.0,3.7" for one in line]
    sessions = played(write(tmp_path, lines))
    assert sessions.power_kw == pytest.approx(9.0)
    assert sessions.possible_kwh == pytest.approx(sessions.need_kwh)


@pytest.mark.parametrize(
    ("header", "line", "complaint"),
    [
        (HEADER.replace(",energy_kwh", ""), "", "energy_kwh.*cannot be played"),
        ("a,b", "", "lacks the columns charger_id, category"),
        (HEADER, "s,A,x,residential,2019-01-01T10:00:00,2019-01-01T12:00:00Z,1,7", "line 2.*no time zone"),
        (HEADER, "s,A,x,residential,2019-01-01T10:00:00Z,2019-01-01T09:00:00Z,1,7", "line 2.*not after it starts"),
        (HEADER, "s,A,x,residential,2019-01-01T10:00:00Z,2019-01-01T12:00:00Z,-1,7", "line 2.*not an amount"),
        (HEADER, "s,A,x,residential,yesterday,2019-01-01T12:00:00Z,1,7", "line 2"),
        (HEADER, "s,A,x,residential,2019-01-01T10:00:00Z,2019-01-01T12:00:00Z,1,7", "whole week"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path, header, line, complaint):
    with pytest.raises(InvalidSessionFile, match=complaint):
        read_session_file(write(tmp_path, [line] if line else [], header), OSLO)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(InvalidSessionFile, match="cannot be read"):
        read_session_file(tmp_path / "absent.csv", OSLO)
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(b"\x1f\x8b" + b"not gzip")
    with pytest.raises(InvalidSessionFile, match="cannot be read"):
        read_session_file(broken, OSLO)


def test_real_norwegian_evenings_keep_their_hours_and_energy():
    file = read_session_file(shared_path("data/ev_no_residential/sessions.csv.gz"), OSLO)
    start = datetime(2026, 1, 5, tzinfo=UTC)
    sessions = replay(
        file=file,
        places={"public": np.arange(700), "home": np.arange(700, 1000)},
        max_power_kw=np.full(1000, 11.04),
        period=Interval(start, start + timedelta(weeks=6)),
        generator=np.random.default_rng(3),
    )
    source = Counter(int(hour) for hour in file.plug_in % 86_400 // 3600)
    copy = Counter(one.hour for one in local(sessions.plug_in))
    for hour in range(24):
        assert copy[hour] / len(sessions) == pytest.approx(source[hour] / len(file.plug_in), abs=0.03)
    assert sessions.need_kwh.mean() == pytest.approx(file.energy_kwh.mean(), rel=0.05)
    by_asset = np.lexsort((sessions.plug_in, sessions.asset))
    same = np.diff(sessions.asset[by_asset]) == 0
    assert (sessions.plug_out[by_asset][:-1] <= sessions.plug_in[by_asset][1:])[same].all()


def test_real_presence_without_energy_is_refused():
    with pytest.raises(InvalidSessionFile, match="energy_kwh"):
        read_session_file(shared_path("data/ev_de_hamburg_public/sessions.csv.gz"), ZoneInfo("Europe/Berlin"))
