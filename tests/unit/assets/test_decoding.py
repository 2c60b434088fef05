"""The fast way in and the slow one must agree on every body: same rows kept, and nothing kept that would be refused."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.validation import kinds
from assets.validation.decoding import judged_csv, judged_json
from assets.validation.rows import InvalidRows, RowKind, rows_from_text
from assets.validation.tables import NotATable, read_table

SLOW_MACHINES_TOO = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "asset": st.sampled_from(["a", "NL-UTR-1", "é" * 64]),
    "starts_at": st.sampled_from(["2026-01-14T17:00:00+01:00", "2026-10-25T00:15:00Z", "2026-01-14 16:00:00Z"]),
    "import_wh": st.integers(0, 10**15),
    "export_wh": st.integers(0, 20),
    "quality": st.sampled_from(["measured", "estimated"]),
    "revision": st.integers(0, 10_000),
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.sampled_from(["", " ", "1", "-1", "1.0", "\0", "x" * 65, "2026-01-14T16:00:00", "2026-01-14T16:01:00Z", "٣"]),
    st.lists(st.integers(), max_size=1),
)
METER_ROW = st.fixed_dictionaries(
    {name: GOOD[name] for name in ("asset", "starts_at", "import_wh")},
    optional={name: GOOD[name] | st.none() for name in ("export_wh", "quality", "revision")},
)
ANY_ROW = st.dictionaries(st.sampled_from([*GOOD, "energy_kwh"]), ODD, max_size=7) | METER_ROW.flatmap(
    lambda row: st.builds(lambda name, odd: row | {name: odd}, st.sampled_from([*GOOD, "stranger"]), ODD)
)


def _slowly(rows: list[dict[str, Any]], kind: RowKind = kinds.METER_VALUE) -> Any:
    try:
        return kind.read(rows)
    except InvalidRows:
        return None


@SLOW_MACHINES_TOO
@given(st.lists(METER_ROW, min_size=1, max_size=5))
def test_good_json_takes_the_fast_way_and_keeps_the_same(rows):
    judged = judged_json(json.dumps({"values": rows}).encode(), kinds.METER_VALUE, "values")

    assert judged is not None
    assert len(judged) == len(rows)
    assert kinds.METER_VALUE.read(judged) == _slowly(rows)


def test_a_table_that_names_a_column_twice_is_refused_as_nobody_knows_which_one_is_meant():
    body = b"asset,starts_at,import_wh,import_wh\na,2026-01-14T16:00:00Z,1,2\n"

    assert judged_csv(body, kinds.METER_VALUE) is None
    with pytest.raises(NotATable, match="import_wh is there twice"):
        read_table(body)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        pytest.param("a,2026-01-14T16:00:00Z,1250,0\na,2026-01-14T16:15:00Z,12", "Line 3 has 3 values", id="cut off"),
        pytest.param("a,2026-01-14T16:00:00Z,12,5,0\n", "Line 2 has 5 values", id="decimal comma"),
    ],
)
def test_a_row_with_another_number_of_values_than_columns_is_refused_by_its_line(table, says):
    body = f"asset,starts_at,import_wh,export_wh\n{table}".encode()

    assert judged_csv(body, kinds.METER_VALUE) is None
    with pytest.raises(NotATable, match=f"{says} for 4 columns"):
        read_table(body)


@pytest.mark.parametrize(("separator", "named"), [(";", "semicolons"), ("\t", "tabs")])
def test_a_table_with_another_separator_is_refused_once_and_not_row_by_row(separator, named):
    with pytest.raises(NotATable, match=f"separated by {named}"):
        read_table("\ufeffasset,starts_at,import_wh\na,2026-01-14T16:00:00Z,1\n".replace(",", separator).encode())


@SLOW_MACHINES_TOO
@given(st.lists(METER_ROW | ANY_ROW, min_size=1, max_size=4))
def test_the_fast_way_keeps_nothing_that_the_slow_one_refuses(rows):
    body = json.dumps({"values": rows}).encode()

    judged = judged_json(body, kinds.METER_VALUE, "values")

    if judged is not None:
        columns, slow = judged.columns, _slowly(json.loads(body)["values"])
        assert columns == slow
        assert [list(map(type, column)) for column in columns.values()] == [
            list(map(type, column)) for column in slow.values()
        ]


@SLOW_MACHINES_TOO
@given(st.lists(METER_ROW, min_size=1, max_size=5))
def test_good_tables_take_the_fast_way_and_keep_the_same(rows):
    names = list(GOOD)
    lines = [",".join(names)] + [
        ",".join("" if row.get(name) is None else str(row[name]) for name in names) for row in rows
    ]
    body = "\r\n".join(lines).encode()

    judged = judged_csv(body, kinds.METER_VALUE)

    assert judged is not None or any(row["import_wh"] == 10**15 for row in rows)
    if judged is not None:
        assert judged.columns == _slowly(rows_from_text(read_table(body), kinds.METER_VALUE))


@SLOW_MACHINES_TOO
@given(
    st.text(alphabet='asetri_wh,"\n\r0123-TZ:+ ', max_size=120).map(lambda tail: f"asset,starts_at,import_wh\n{tail}")
)
def test_no_table_is_read_in_two_ways(text):
    judged = judged_csv(text.encode(), kinds.METER_VALUE)

    if judged is not None:
        try:
            slow = _slowly(rows_from_text(read_table(text.encode()), kinds.METER_VALUE))
        except NotATable:
            slow = None
        assert judged.columns == slow


@pytest.mark.parametrize("kind", [kinds.ASSET, kinds.STATE, kinds.SESSION, kinds.RESULT, kinds.READING])
def test_every_kind_has_a_fast_way(kind):
    assert judged_json(b'{"rows": []}', kind, "rows") is not None


def test_a_row_can_still_be_read_as_a_row():
    judged = judged_json(
        b'{"values": [{"asset": "a", "starts_at": "2026-01-14T16:00:00Z", "import_wh": 1}]}',
        kinds.METER_VALUE,
        "values",
    )

    assert judged[0]["asset"] == "a"
    assert judged[0]["quality"] == "measured"
