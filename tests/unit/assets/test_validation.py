from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.cpo_api import documents, steering_documents
from assets.staging import binary_rows
from assets.validation import kinds, rules
from assets.validation.rows import InvalidRows, rows_from_text, unknown_field

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-14T17:00:00+01:00", datetime(2026, 1, 14, 16, tzinfo=UTC)),
        ("2026-01-14T16:00:00Z", datetime(2026, 1, 14, 16, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_into_utc(text, expected):
    assert rules.instant(text) == expected
    assert rules.instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    "rule",
    [
        rules.instant,
        rules.integer,
        rules.non_negative_integer,
        rules.boolean,
        rules.text,
        rules.name,
        rules.ean18,
        rules.share,
        rules.one_of(["a", "b"]),
    ],
)
@given(value=anything)
def test_a_rule_accepts_or_explains_whatever_it_is_given(rule, value):
    try:
        rule(value)
    except rules.Unacceptable as error:
        refusal = error
    else:
        return
    assert refusal.code
    assert refusal.message.endswith(".")


@given(
    rows=st.lists(st.dictionaries(st.sampled_from([*kinds.SESSION.names, "odd"]), anything) | st.integers(), max_size=4)
)
def test_rows_are_read_whole_or_refused_by_row(rows):
    errors, lengths = [], {len(rows)}
    try:
        lengths = {len(column) for column in kinds.SESSION.read(rows).values()}
    except InvalidRows as refusal:
        errors = refusal.errors
        assert errors

    assert lengths == {len(rows)}
    assert errors == sorted(errors)
    assert all(0 <= error.index < len(rows) for error in errors)


def test_defaults_fill_what_is_absent_or_null():
    columns = kinds.ASSET.read(
        [{"external_id": "a", "kind": "charger", "category": "home", "max_import_w": 3_700, "max_export_w": None}]
    )

    assert columns == {
        "external_id": ["a"],
        "kind": ["charger"],
        "category": ["home"],
        "connection_ean": [""],
        "max_import_w": [3_700],
        "max_export_w": [0],
        "min_import_w": [0],
        "pausing": ["unknown"],
        "capacity_wh": [None],
        "min_level_wh": [0],
        "round_trip_efficiency": [Decimal(1)],
    }


def test_every_error_of_every_row_is_found_at_once():
    with pytest.raises(InvalidRows) as refusal:
        kinds.STATE.read([{"asset": "a", "at": "2026-01-14", "power_w": "5"}, {"power_w": 1}, 7])
    assert [(error.index, error.code) for error in refusal.value.errors] == [(2, "not-an-object")]

    with pytest.raises(InvalidRows) as refusal:
        kinds.STATE.read([{"asset": "a", "at": "2026-01-14", "power_w": "5"}, {"power_w": 1}])
    assert [(error.index, error.field, error.code) for error in refusal.value.errors] == [
        (0, "at", "naive-instant"),
        (0, "power_w", "not-an-integer"),
        (1, "asset", "required"),
        (1, "at", "required"),
    ]


def test_a_repeated_row_names_the_first_one():
    row = {"external_id": "a", "kind": "charger", "category": "home", "max_import_w": 1}

    with pytest.raises(InvalidRows) as refusal:
        kinds.ASSET.read([row, {**row, "external_id": "b"}, row])

    [error] = refusal.value.errors
    assert (error.index, error.field, error.code) == (2, "external_id", "repeated-row")
    assert error.message.startswith("Row 0 ")


@pytest.mark.parametrize(
    ("stranger", "hint"),
    [
        ("max_import_kw", "Give max_import_w as a whole number of watt: 11 kW is 11000."),
        ("max_import_MW", "Give max_import_w as a whole number of watt: 11 MW is 11000000."),
        ("capacity_kwh", "Give capacity_wh as a whole number of watt-hour: 11 kWh is 11000."),
        ("max_inport_w", "Did you mean max_import_w?"),
        ("colour", "Known fields: external_id, kind,"),
    ],
)
def test_an_unknown_field_gets_a_hint(stranger, hint):
    assert hint in unknown_field(stranger, kinds.ASSET.names)


def test_text_rows_become_typed_rows_and_oddities_stay_text():
    rows = [{"asset": "1", "at": "2026-01-14T16:00:00Z", "power_w": " -5", "level_wh": "", "is_available": "False"}]

    assert rows_from_text(rows, kinds.STATE) == [
        {"asset": "1", "at": "2026-01-14T16:00:00Z", "power_w": -5, "is_available": False}
    ]
    assert rows_from_text([{"power_w": "5.0", "is_available": "no"}], kinds.STATE) == [
        {"power_w": "5.0", "is_available": "no"}
    ]


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (kinds.ASSET, documents.AssetRow),
        (kinds.STATE, documents.StateRow),
        (kinds.SESSION, documents.SessionRow),
        (kinds.METER_VALUE, documents.MeterValueRow),
        (kinds.READING, documents.ReadingRow),
        (kinds.RESULT, steering_documents.ResultRow),
        (kinds.COMMUNICATION_TEST, steering_documents.CommunicationTestRow),
    ],
)
def test_the_description_names_the_fields_that_are_read(kind, document):
    described = document().fields

    assert {field.name: field.required for field in kind.fields} == {
        name: field.required for name, field in described.items()
    }


def test_rows_are_laid_out_as_copy_reads_them():
    made = binary_rows([[1], [-2]])

    assert made == (
        b"PGCOPY\n\xff\r\n\0" + bytes(8)
        + b"\0\x02"
        + b"\0\0\0\x08" + b"\0\0\0\0\0\0\0\x01"
        + b"\0\0\0\x08" + b"\xff\xff\xff\xff\xff\xff\xff\xfe"
        + b"\xff\xff"
    )  # fmt: skip
