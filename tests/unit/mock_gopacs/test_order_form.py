"""Every rule of the order form, one broken at a time."""

import json
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_gopacs.order_form import InvalidOrder, parse_change, parse_new, warnings_about

NOW = datetime(2026, 1, 14, 15, 0, tzinfo=UTC)
START = datetime(2026, 1, 14, 16, 0, tzinfo=UTC)
MINUTE_MS = 60_000
START_MS = int(START.timestamp()) * 1000
GOOD = {
    "orderType": "SELL",
    "participantId": "7d9d2d0e-6d5c-4a43-8b53-3f0a3b1d5a11",
    "quantity": 0.4,
    "start": START_MS,
    "end": START_MS + 180 * MINUTE_MS,
    "price": 180.25,
    "ean": "871685900012636543",
    "marketBased": True,
}


def parse(**changes: Any):
    body = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return parse_new(json.dumps(body).encode(), now=NOW)


def test_a_good_order_is_read_exactly():
    form = parse(
        contractId="BID-7", usageFraction=0.28, customExpirationTime=START_MS - 30 * MINUTE_MS,
        metaData={"clientOrderId": "bid-1"},
    )  # fmt: skip
    assert form.side == "SELL"
    assert form.participant_id == uuid.UUID("7d9d2d0e-6d5c-4a43-8b53-3f0a3b1d5a11")
    assert (form.quantity_mw, form.price_eur_per_mwh) == (Decimal("0.4"), Decimal("180.25"))
    assert (form.starts_at, form.ends_at) == (START, datetime(2026, 1, 14, 19, 0, tzinfo=UTC))
    assert form.expires_at == datetime(2026, 1, 14, 15, 30, tzinfo=UTC)
    assert (form.contract_id, form.usage_fraction) == ("BID-7", Decimal("0.28"))
    assert form.meta_data == {"clientOrderId": "bid-1"}


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"orderType": ...}, "FIELD_REQUIRED", "orderType"),
        ({"orderType": "sell"}, "FIELD_INVALID", "orderType"),
        ({"participantId": ...}, "FIELD_REQUIRED", "participantId"),
        ({"participantId": "me"}, "FIELD_INVALID", "participantId"),
        ({"quantity": ...}, "FIELD_REQUIRED", "quantity"),
        ({"quantity": "0.4"}, "FIELD_INVALID", "quantity"),
        ({"quantity": True}, "FIELD_INVALID", "quantity"),
        ({"quantity": 0}, "FIELD_INVALID", "quantity"),
        ({"quantity": -0.1}, "FIELD_INVALID", "quantity"),
        ({"quantity": 1000}, "FIELD_INVALID", "quantity"),
        ({"quantity": 0.05}, "QUANTITY_STEP", "quantity"),
        ({"quantity": 0.41}, "QUANTITY_STEP", "quantity"),
        ({"price": None}, "FIELD_REQUIRED", "price"),
        ({"price": 10_000}, "FIELD_INVALID", "price"),
        ({"price": 1.005}, "PRICE_STEP", "price"),
        ({"start": "2026-01-14T16:00:00Z"}, "FIELD_INVALID", "start"),
        ({"start": START_MS / 1000 + 0.5}, "FIELD_INVALID", "start"),
        ({"start": START_MS + MINUTE_MS}, "PERIOD_GRID", "start"),
        ({"end": START_MS}, "PERIOD_ORDER", "end"),
        ({"end": START_MS + 7 * MINUTE_MS}, "PERIOD_GRID", "end"),
        ({"end": START_MS + 101 * 15 * MINUTE_MS}, "PERIOD_LENGTH", "end"),
        ({"ean": 871685900012636543}, "FIELD_INVALID", "ean"),
        ({"ean": "87168590001263654"}, "EAN_FORMAT", "ean"),
        ({"ean": "87168590001263654x"}, "EAN_FORMAT", "ean"),
        ({"marketBased": ...}, "FIELD_REQUIRED", "marketBased"),
        ({"marketBased": 1}, "FIELD_INVALID", "marketBased"),
        ({"marketBased": False}, "FACILITY_TYPE_REQUIRED", "facilityType"),
        ({"facilityType": ""}, "FIELD_INVALID", "facilityType"),
        ({"contractId": "x" * 65}, "FIELD_INVALID", "contractId"),
        ({"contractId": "a\x00b"}, "FIELD_INVALID", "contractId"),
        ({"usageFraction": 0}, "FIELD_INVALID", "usageFraction"),
        ({"usageFraction": 1.01}, "FIELD_INVALID", "usageFraction"),
        ({"customExpirationTime": START_MS - 20 * MINUTE_MS}, "EXPIRATION_GRID", "customExpirationTime"),
        ({"customExpirationTime": START_MS}, "EXPIRATION_LATE", "customExpirationTime"),
        ({"customExpirationTime": START_MS - 60 * MINUTE_MS}, "EXPIRATION_PAST", "customExpirationTime"),
        ({"metaData": []}, "FIELD_INVALID", "metaData"),
        ({"metaData": {"clientOrderId": 7}}, "FIELD_INVALID", "metaData"),
        ({"metaData": {"text": "x" * 5000}}, "FIELD_INVALID", "metaData"),
        ({"metaData": {"text": "a\x00b"}}, "FIELD_INVALID", "metaData"),
        ({"metaData": {"text": "\ud800"}}, "FIELD_INVALID", "metaData"),
        ({"volume": 4}, "FIELD_UNKNOWN", "volume"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(changes, code, field):
    with pytest.raises(InvalidOrder) as refused:
        parse(**changes)
    assert [(problem.code, problem.field) for problem in refused.value.problems] == [(code, field)]


def test_all_errors_are_told_at_once():
    with pytest.raises(InvalidOrder) as refused:
        parse(quantity=0.05, ean="1", end=...)
    assert [problem.code for problem in refused.value.problems] == ["EAN_FORMAT", "FIELD_REQUIRED", "QUANTITY_STEP"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"quantity": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(InvalidOrder) as refused:
        parse_new(body, now=NOW)
    assert [problem.code for problem in refused.value.problems] == ["BODY_INVALID"]


def test_the_latest_expiration_is_15_minutes_before_start():
    assert parse(customExpirationTime=START_MS - 15 * MINUTE_MS).expires_at == datetime(2026, 1, 14, 15, 45, tzinfo=UTC)


def test_a_not_market_based_order_names_its_facility_type():
    assert parse(marketBased=False, facilityType="B01").facility_type == "B01"


def test_a_change_needs_quantity_price_and_ean_only():
    form = parse_change(b'{"quantity": 1, "price": -5, "ean": "871685900012636543"}', starts_at=START, now=NOW)
    assert (form.quantity_mw, form.price_eur_per_mwh, form.given) == (
        Decimal(1),
        Decimal(-5),
        {"quantity", "price", "ean"},
    )


def test_a_change_cannot_move_the_period():
    body = json.dumps({"quantity": 1, "price": 5, "ean": "871685900012636543", "start": START_MS}).encode()
    with pytest.raises(InvalidOrder) as refused:
        parse_change(body, starts_at=START, now=NOW)
    assert [(problem.code, problem.field) for problem in refused.value.problems] == [("FIELD_UNKNOWN", "start")]


def test_a_wrong_check_digit_is_a_warning():
    assert warnings_about("871685900012636543") == []
    assert [warning.code for warning in warnings_about("871685920001768800")] == ["EAN_CHECK_DIGIT"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab0 \x00\ud800é", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "metaData", "customExpirationTime", "usageFraction"]), json_values))
def test_any_body_is_either_read_or_refused(changes):
    body = json.dumps({**GOOD, **changes}).encode()
    with suppress(InvalidOrder):
        assert parse_new(body, now=NOW).quantity_mw > 0
