import gzip
import json
import re
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from tests.shared_data import shared_path

FIRST = np.datetime64("2024-01-01T00:00:00")
HEADER = "session_id,charger_id,category,plug_in_utc,plug_out_utc,energy_kwh,max_power_kw\n"


def _rows(days=60, chargers=12):
    draw = np.random.default_rng(1)
    for day in range(days):
        for charger in range(chargers):
            start = FIRST + np.timedelta64(day, "D") + np.timedelta64(int(draw.normal(990, 45)), "m")
            end = start + np.timedelta64(int(draw.uniform(600, 800)), "m")
            yield f"s{day}-{charger},c{charger},home,{start}Z,{end}Z,{draw.uniform(8, 40):.2f},\n"


@pytest.fixture
def sessions_csv(tmp_path):
    path = tmp_path / "sessions.csv"
    path.write_text(HEADER + "".join(_rows()), encoding="utf-8")
    return path


def _run(*arguments):
    out, err = StringIO(), StringIO()
    call_command("backtest", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_run_reports_writes_json_and_a_page_that_needs_no_network(sessions_csv, tmp_path):
    out, _ = _run(
        sessions_csv, "--warm-up", "30d", "--lead", "1h", "--json", tmp_path / "o.json", "--plot", tmp_path / "o.html"
    )
    report = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    assert report["config"]["window"] == "17:00-19:00"
    assert report["config"]["sessions_used"] == 720
    assert report["config"]["sessions_with_default_power"] == 720
    assert report["summary"]["windows"] == len(report["windows"]) == 22
    assert report["summary"]["bids"] > 0
    kept = [window["delivered"] for window in report["windows"] if window["bid_kw"] > 0]
    assert report["summary"]["coverage"] == sum(kept) / len(kept)
    for window in report["windows"]:
        if window["bid_kw"] > 0:
            assert window["delivered"] == (window["min_delivered_kw"] >= window["bid_kw"] - 1e-6)
    assert "perfect information" in out
    page = (tmp_path / "o.html").read_text(encoding="utf-8")
    assert "Promises broken" in page
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert re.search(r"<title>Backtest</title>.*<main>\s*<h1>Promised \d+%, kept [\d.]+% \(", page, re.DOTALL)
    assert '<script src="http' not in page


def test_gzip_and_plain_files_give_the_same_windows(sessions_csv, tmp_path):
    packed = tmp_path / "sessions.csv.gz"
    packed.write_bytes(gzip.compress(sessions_csv.read_bytes()))
    for path, out in ((sessions_csv, "plain.json"), (packed, "packed.json")):
        _run(path, "--warm-up", "40d", "--json", tmp_path / out)
    plain, zipped = (json.loads((tmp_path / name).read_text()) for name in ("plain.json", "packed.json"))
    assert plain["windows"] == zipped["windows"]


def _otherwise(row, *, after):
    """The same session, but one that was not over by then takes half the energy and leaves an hour later."""
    name, charger, category, plug_in, plug_out, energy_kwh, power = row.split(",")
    if plug_out < after:
        return row
    later = np.datetime64(plug_out.removesuffix("Z")) + np.timedelta64(1, "h")
    return f"{name},{charger},{category},{plug_in},{later}Z,{float(energy_kwh) / 2:.2f},{power}"


def test_what_is_not_over_when_a_bid_is_made_does_not_change_it(sessions_csv, tmp_path):
    """Cars are there when the bid is made; steps are small enough for a glance ahead to show."""
    bids_until = "2024-02-20T18:00:00Z"
    asked = ("--warm-up", "30d", "--v2g", "0.5", "--window", "20:00-22:00", "--lead", "1h", "--step-kw", "0.01")
    other_csv = tmp_path / "other.csv"
    rows = [_otherwise(row, after=bids_until) for row in _rows()]
    other_csv.write_text(HEADER + "".join(rows), encoding="utf-8")
    bids = []
    for path in (sessions_csv, other_csv):
        _run(path, *asked, "--json", tmp_path / "o.json")
        windows = json.loads((tmp_path / "o.json").read_text())["windows"]
        bids.append([(each["starts_at"], each["bid_kw"], each["competitor_bids_kw"]) for each in windows])
    known, other = ([bid for bid in made if bid[0] <= "2024-02-20T19:00:00Z"] for made in bids)
    assert len(known) == 15
    assert known == other
    assert len({bid_kw for _, bid_kw, _ in known}) > 1


def test_invalid_rows_are_listed_and_nothing_is_written(sessions_csv, tmp_path):
    with sessions_csv.open("a", encoding="utf-8") as file:
        file.write("x,c99,home,2024-02-01T17:00:00Z,2024-02-01T18:00:00Z,-3,7\n")
    with pytest.raises(CommandError, match="row 721: energy_kwh is negative"):
        _run(sessions_csv, "--json", tmp_path / "o.json")
    assert not (tmp_path / "o.json").exists()

    _, err = _run(sessions_csv, "--warm-up", "40d", "--skip-invalid", "--json", tmp_path / "o.json")
    assert "skipped row 721: energy_kwh is negative" in err
    assert json.loads((tmp_path / "o.json").read_text())["config"]["rows_skipped"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--window", "17:05-19:00"), "quarter hours"),
        (("--lead", "soon"), "a duration reads like"),
        (("--reliability", "1.2"), "between 0 and 1"),
        (("--reliability", "0.9999999999"), "between 0 and 1, a millionth or more from either"),
        (("--timezone", "Europe/Nowhere"), "no time zone"),
        (("--baseline", "price"), "needs prices"),
        (("--temperatures", "/no/such/file.csv"), "/no/such/file.csv cannot be read: No such file or directory."),
        (("--category", "bus"), "the file has: home"),
        (("--warm-up", "400d"), "the sessions end before the warm-up does"),
        (("--v2g", "2"), "fraction lies in 0..1"),
        (("--json", "/no/such/folder/o.json"), "There is no folder"),
        (("--json", "/"), "/ is a folder; name a file in it"),
        (("--json", "/proc/o.json"), "/proc/o.json cannot be written"),
        (("--timezone", "Europe"), "no time zone 'Europe'"),
        (("--timezone", "../Amsterdam"), "no time zone '../Amsterdam'"),
        (("--lead", "99999999999d"), "up to six digits"),
        (("--lead", "20000d"), "Lead is at most 365 days"),
        (("--warm-up", "99999999999d"), "up to six digits"),
        (("--default-power-kw", "nan"), "--default-power-kw lies above zero, up to 10000"),
        (("--default-power-kw", "11000"), "--default-power-kw lies above zero, up to 10000"),
        (("--step-kw", "nan"), "bid step is above zero"),
        (("--step-kw", "inf"), "bid step is above zero"),
        (("--min-bid-kw", "nan"), "bid step is above zero"),
        (("--seed", "-1"), "seed is not negative"),
    ],
)
def test_a_wrong_choice_is_explained(sessions_csv, arguments, message):
    with pytest.raises(CommandError, match=message):
        _run(sessions_csv, *arguments)


def test_a_file_without_a_window_is_told_from_one_that_is_too_short_for_the_warm_up(tmp_path):
    """Friday night and Monday morning: no working day in between has its evening."""
    weekend = tmp_path / "weekend.csv"
    rows = (
        "s0,c0,home,2024-01-05T22:00:00Z,2024-01-06T08:00:00Z,9,",
        "s1,c0,home,2024-01-08T06:00:00Z,2024-01-08T07:00:00Z,3,",
    )
    weekend.write_text(HEADER + "\n".join(rows), encoding="utf-8")
    with pytest.raises(CommandError, match="No window lies between the first plug-in and the last"):
        _run(weekend, "--warm-up", "0d")


def _damaged(whole):
    """Inside the packed data, not at its checksum."""
    middle = len(whole) // 2
    return whole[:middle] + bytes(64) + whole[middle + 64 :]


@pytest.mark.parametrize("damage", [_damaged, lambda whole: whole[: len(whole) // 2], lambda _: b"not packed"])
@pytest.mark.parametrize("place", ["sessions", "prices", "temperatures"])
def test_a_damaged_archive_is_named(sessions_csv, tmp_path, damage, place):
    hours = "".join(f"{FIRST + np.timedelta64(hour, 'h')}Z,{hour % 17},{hour % 13}\n" for hour in range(2_000))
    table = sessions_csv.read_text() if place == "sessions" else f"utc,eur_per_mwh,celsius\n{hours}"
    packed = tmp_path / "damaged.csv.gz"
    packed.write_bytes(damage(gzip.compress(table.encode())))
    arguments = (packed,) if place == "sessions" else (sessions_csv, f"--{place}", packed)
    with pytest.raises(CommandError, match=r"damaged\.csv\.gz cannot be read"):
        _run(*arguments)


def test_a_field_beyond_all_measure_is_named(sessions_csv):
    with sessions_csv.open("a", encoding="utf-8") as file:
        file.write(f"x,c99,{'home' * 50_000},2024-02-01T17:00:00Z,2024-02-01T18:00:00Z,3,7\n")
    with pytest.raises(CommandError, match=r"sessions\.csv cannot be read: field larger than field limit"):
        _run(sessions_csv)


def test_a_wrong_price_is_told_with_its_file(sessions_csv, tmp_path):
    prices = tmp_path / "prices.csv"
    prices.write_text("utc,eur_per_mwh\n2024-01-01T00:00:00Z,dear\n", encoding="utf-8")
    with pytest.raises(CommandError, match=r"prices\.csv: line 2"):
        _run(sessions_csv, "--baseline", "price", "--prices", prices)


def test_prices_that_end_before_the_sessions_are_told_with_both_periods(sessions_csv, tmp_path):
    prices = tmp_path / "prices.csv"
    prices.write_text(
        "utc,eur_per_mwh\n2024-01-01T00:00:00Z,50\n2024-01-01T01:00:00Z,40\n2024-01-02T23:00:00Z,40\n",
        encoding="utf-8",
    )
    told = r"from 2024-01-01T00:00:00Z to 2024-01-03T00:00:00Z, plug-ins from 2024-01-01T14:\d\d:00Z to 2024-02-29T"
    with pytest.raises(CommandError, match=told):
        _run(sessions_csv, "--baseline", "price", "--prices", prices)


def test_a_price_baseline_opens_room_to_increase(sessions_csv, tmp_path):
    hours = FIRST + np.arange(24 * 70).astype("timedelta64[h]")
    dear = {16: 200, 17: 200, 18: 200}
    lines = [f"{hour}Z,{dear.get(number % 24, 50 - number % 24)}\n" for number, hour in enumerate(hours)]
    prices = tmp_path / "prices.csv"
    prices.write_text("utc,eur_per_mwh\n" + "".join(lines), encoding="utf-8")
    shared = (sessions_csv, "--baseline", "price", "--prices", prices, "--warm-up", "40d")
    for direction in ("increase", "reduce"):
        _run(*shared, "--direction", direction, "--json", tmp_path / f"{direction}.json")
    increase, reduce = (
        json.loads((tmp_path / f"{name}.json").read_text())["summary"]["mean_perfect_information_kw"]
        for name in ("increase", "reduce")
    )
    assert increase > 20 > reduce


def test_bids_draw_more_on_days_of_like_temperature(sessions_csv, tmp_path):
    """Weekdays in turn warm and cold: half of the days weigh next to nothing, so fewer days speak."""
    hours = FIRST + np.arange(24 * 62).astype("timedelta64[h]")
    lines = [f"{hour}Z,{20 if number // 24 % 2 else -5}\n" for number, hour in enumerate(hours)]
    temperatures = tmp_path / "temperatures.csv"
    temperatures.write_text("utc,celsius\n" + "".join(lines), encoding="utf-8")
    shared = (sessions_csv, "--warm-up", "55d", "--json")
    _run(*shared, tmp_path / "without.json")
    _run(*shared, tmp_path / "with.json", "--temperatures", temperatures)
    without, within = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("without", "with"))
    assert (without["config"]["temperatures"], within["config"]["temperatures"]) == (None, "temperatures.csv")
    assert [one["bid_kw"] for one in without["windows"]] != [one["bid_kw"] for one in within["windows"]]


def test_the_service_s_own_path_can_be_walked(sessions_csv, tmp_path):
    _run(sessions_csv, "--warm-up", "55d", "--calibration", "rehearsal", "--json", tmp_path / "o.json")
    report = json.loads((tmp_path / "o.json").read_text())
    assert report["config"]["calibration"] == "rehearsal"
    assert 0 < report["summary"]["bids"] <= report["summary"]["windows"]


def test_the_dutch_stations_run_without_skipping(tmp_path):
    path = shared_path("data/ev_nl_public_stations/sessions.csv.gz")
    _run(path, "--json", tmp_path / "o.json")
    report = json.loads((tmp_path / "o.json").read_text())
    assert report["config"]["chargers"] == 4
    assert report["summary"]["windows"] == 153


def test_a_set_without_energy_is_refused_by_name_of_the_column():
    path = shared_path("data/ev_de_hamburg_public/sessions.csv.gz")
    with pytest.raises(CommandError, match="Missing column energy_kwh"):
        _run(path)
