"""Which measurements a BSP's pool is believed."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_gopacs.tennet.measuring import MeasurementRefused, read_measurement
from mock_gopacs.tennet.terms import Terms

NOW = datetime(2026, 1, 14, 17, 0, 10, tzinfo=UTC)
GOOD = {
    "at": "2026-01-14T17:00:08Z",
    "reference_mw": "-3.210",
    "measured_mw": "-2.5",
    "available_up_mw": "1.0",
    "available_down_mw": "0",
    "is_in_control": True,
}


def read(body, *, last_at=None):
    return read_measurement(body, now=NOW, last_at=last_at, terms=Terms())


def refusal(body, **arguments):
    with pytest.raises(MeasurementRefused) as caught:
        read(body, **arguments)
    return [(problem.code, problem.field) for problem in caught.value.problems]


def test_a_good_measurement_is_read():
    measured = read(GOOD)
    assert measured.at == datetime(2026, 1, 14, 17, 0, 8, tzinfo=UTC)
    assert (measured.reference_mw, measured.measured_mw) == (Decimal("-3.210"), Decimal("-2.5"))
    assert measured.is_in_control


@pytest.mark.parametrize(
    ("name", "value"),
    [("at", "2026-01-14T17:00:08"), ("at", "2026-02-30T17:00:08Z"), ("at", 1768406408), ("reference_mw", "NaN"),
     ("measured_mw", "Infinity"), ("measured_mw", "1e3"), ("measured_mw", 2.5), ("measured_mw", "9999.1"),
     ("measured_mw", None), ("available_up_mw", "-1"), ("available_down_mw", "-0.1"), ("is_in_control", 1),
     ("is_in_control", "true")],
)  # fmt: skip
def test_a_value_that_is_none_is_refused_by_its_name(name, value):
    assert refusal({**GOOD, name: value}) == [("FIELD_INVALID", name)]


def test_all_that_is_wrong_is_told_at_once():
    body = {**GOOD, "more": 1, "measured_mw": "x"}
    del body["is_in_control"]
    assert refusal(body) == [
        ("FIELD_REQUIRED", "is_in_control"), ("FIELD_UNKNOWN", "more"), ("FIELD_INVALID", "measured_mw"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-13, "MEASUREMENT_STALE"), (-12, None), (0, None), (4, None), (5, "MEASUREMENT_FUTURE")],
)
def test_a_measurement_must_be_of_now(seconds, code):
    body = {**GOOD, "at": (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")}
    if code is None:
        assert read(body).at == NOW + timedelta(seconds=seconds)
    else:
        assert refusal(body) == [(code, "at")]


@pytest.mark.parametrize("second", [8, 9])
def test_measurements_come_in_order_and_once(second):
    assert refusal(GOOD, last_at=NOW.replace(second=second)) == [("MEASUREMENT_ORDER", "at")]
    assert read(GOOD, last_at=NOW.replace(second=7)).at == NOW.replace(second=8)


@given(
    st.dictionaries(
        st.sampled_from(list(GOOD)) | st.text(max_size=3),
        st.none() | st.booleans() | st.floats() | st.text(max_size=30) | st.lists(st.integers(), max_size=1),
    )
)
def test_no_body_makes_reading_fail(body):
    with suppress(MeasurementRefused):
        read({**GOOD, **body})
