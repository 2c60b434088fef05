import pytest

from bidding.forecast.session_files import SessionFileInvalid, read_sessions

HEADER = "charger_id,category,plug_in_utc,plug_out_utc,energy_kwh,max_power_kw"
GOOD = "A,home,2024-01-01T17:00:00Z,2024-01-01T23:00:00Z,10,7.4"


def _lines(*rows, header=HEADER):
    return [header + "\n", *(row + "\n" for row in rows)]


def test_a_clean_file_becomes_columns_sorted_by_plug_in_with_chargers_in_order_of_appearance():
    later = "B,home,2024-01-02T17:00:00+01:00,2024-01-02T19:00:00+01:00,3,"
    file = read_sessions(_lines(later, GOOD), default_power_kw=11.0)
    assert file.table.charger_ids == ("A", "B")
    assert file.table.charger.tolist() == [0, 1]
    assert file.table.plug_in_s.tolist() == [1704128400, 1704211200]
    assert file.table.energy_kwh.tolist() == [10.0, 3.0]
    assert file.table.power_kw.tolist() == [7.4, 11.0]
    assert (file.default_power_rows, file.clipped_energy_rows, file.skipped) == (1, 0, ())


def test_energy_that_does_not_fit_in_the_stay_is_cut_and_counted():
    file = read_sessions(_lines("A,home,2024-01-01T17:00:00Z,2024-01-01T18:00:00Z,10,7"), default_power_kw=7.4)
    assert file.table.energy_kwh.tolist() == [7.0]
    assert file.clipped_energy_rows == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",home,2024-01-01T17:00:00Z,2024-01-01T18:00:00Z,1,7", "charger_id is empty"),
        ("A,home,2024-01-01T17:00:00,2024-01-01T18:00:00Z,1,7", "plug_in_utc has no offset"),
        ("A,home,yesterday,2024-01-01T18:00:00Z,1,7", "plug_in_utc is not an ISO 8601 time"),
        ("A,home,2024-01-01T18:00:00Z,2024-01-01T17:00:00Z,1,7", "is not after plug-in"),
        ("A,home,2024-01-01T17:00:00Z,2024-01-01T18:00:00Z,-1,7", "energy_kwh is negative"),
        ("A,home,2024-01-01T17:00:00Z,2024-01-01T18:00:00Z,,7", "energy_kwh is not a number"),
        ("A,home,2024-01-01T17:00:00Z,2024-01-01T18:00:00Z,nan,7", "energy_kwh is not a finite number"),
        ("A,home,2024-01-01T17:00:00Z,2024-01-01T18:00:00Z,1,0", "max_power_kw is not above zero"),
        ("A,home,2024-01-01T17:00:00Z,2024-01-01T18:00:00Z,1,11000", "max_power_kw is above 10000: 11000; watts?"),
        ("A,home,1970-01-01T00:00:00Z,1970-01-01T01:00:00Z,1,7", "plug_in_utc is not in the years 2000 to 2099"),
        ("A,home,2024-01-03T17:00:00Z,9999-12-31T23:59:59Z,1,7", "plug_out_utc is not in the years 2000 to 2099"),
        ("A,home,2024-01-01T22:59:59Z,2024-01-02T18:00:00Z,1,7", "overlaps row 1 at charger A: plugged in 1 s"),
        ("A,home,2024-01-01T23:00:00Z,2024-01-02T18:00:00Z,10,5,7", "more values than the header has columns: 7"),
    ],
)
def test_an_invalid_row_is_named_with_its_reason_and_can_be_skipped(row, reason):
    with pytest.raises(SessionFileInvalid) as caught:
        read_sessions(_lines(GOOD, row), default_power_kw=7.4)
    assert [problem.row for problem in caught.value.problems] == [2]
    assert reason in caught.value.problems[0].reason

    file = read_sessions(_lines(GOOD, row), default_power_kw=7.4, skip_invalid=True)
    assert len(file.table) == 1
    assert [problem.row for problem in file.skipped] == [2]


def test_every_problem_of_a_file_is_listed_in_order_of_rows():
    rows = (GOOD, "A,home,x,y,1,7", GOOD, "B,home,2024-01-01T17:00:00Z,2024-01-01T18:00:00Z,-2,7")
    with pytest.raises(SessionFileInvalid, match="3 of the rows") as caught:
        read_sessions(_lines(*rows), default_power_kw=7.4)
    assert [problem.row for problem in caught.value.problems] == [2, 3, 4]


def test_a_comma_at_the_end_of_a_row_is_no_value():
    assert len(read_sessions(_lines(GOOD + ", "), default_power_kw=7.4).table) == 1


def test_a_decimal_comma_hides_no_row_behind_another_category():
    header = "charger_id,plug_in_utc,plug_out_utc,energy_kwh,category"
    row = "A,2024-01-01T17:00:00Z,2024-01-01T23:00:00Z,10,5,home"
    with pytest.raises(SessionFileInvalid, match="1 of the rows"):
        read_sessions(_lines(row, header=header), default_power_kw=7.4, category="home")


def test_a_column_that_stands_twice_is_an_error():
    with pytest.raises(SessionFileInvalid, match="Column energy_kwh stands in the header more than once"):
        read_sessions(_lines(GOOD, header=f"{HEADER},energy_kwh"), default_power_kw=7.4)


def test_spaces_around_a_category_do_not_make_it_another():
    rows = (GOOD, "B,  home ,2024-01-01T17:00:00Z,2024-01-01T23:00:00Z,10,7.4")
    assert len(read_sessions(_lines(*rows), default_power_kw=7.4, category=" home").table) == 2


def test_a_missing_column_is_an_error_even_when_skipping():
    with pytest.raises(SessionFileInvalid, match="Missing column energy_kwh"):
        read_sessions(_lines(header="charger_id,plug_in_utc,plug_out_utc"), default_power_kw=7.4, skip_invalid=True)


def test_other_categories_are_not_checked_but_tell_when_the_set_has_data():
    broken_elsewhere = "B,dc,2024-02-01T17:00:00Z,2024-02-01T16:00:00Z,1,50"
    file = read_sessions(_lines(GOOD, broken_elsewhere), default_power_kw=7.4, category="home")
    assert len(file.table) == 1
    assert file.set_plug_in_s.tolist() == [1704128400, 1706806800]


def test_an_unknown_category_names_the_known_ones():
    with pytest.raises(SessionFileInvalid, match=r"category 'bus' \(the file has: home\)"):
        read_sessions(_lines(GOOD), default_power_kw=7.4, category="bus")
