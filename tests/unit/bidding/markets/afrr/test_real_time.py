import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.markets.afrr.fields import UnreadableMessage
from bidding.markets.afrr.real_time import (
    InvalidMeasurement,
    Measurement,
    Setpoint,
    SignalTerms,
    Use,
    judge_setpoint,
    measurement_body,
    read_setpoint,
)
from tests.damaged import damaged

AT = datetime(2026, 1, 14, 17, 0, 4, tzinfo=UTC)
CYCLE = timedelta(seconds=4)
TERMS = SignalTerms()
SETPOINT = Setpoint(12, AT, Decimal("-1.250"), is_valid=True)
DOCUMENT = {"sequence": 12, "at": "2026-01-14T17:00:04Z", "delta_setpoint_mw": "-1.250", "is_valid": True}
MEASUREMENT = Measurement(AT, -3_210_000, -2_500_000, 1_000_000, 2_000_000, is_in_control=True)


def body(**changes):
    return json.dumps({**DOCUMENT, **changes}).encode()


def test_a_setpoint_is_read_as_it_came():
    assert read_setpoint(body(added="later")) == SETPOINT


@pytest.mark.parametrize(
    ("mw", "delta_w"), [("-1.250", 1_250_000), ("1.250", -1_250_000), ("0", 0), ("0.3333333333333333", -333_333)]
)
def test_above_zero_asks_to_consume_less(mw, delta_w):
    assert read_setpoint(body(delta_setpoint_mw=mw)).delta_w == delta_w


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sequence": "12"}, "sequence is '12', where a whole number belongs"),
        ({"sequence": True}, "sequence is True"),
        ({"sequence": -1}, "sequence is -1"),
        ({"sequence": 2**63}, "sequence is 9223372036854775808"),
        ({"sequence": None}, "sequence is None"),
        ({"at": "2026-01-14T17:00:04"}, "at is '2026-01-14T17:00:04', where an instant"),
        ({"at": "2026-01-14T18:00:04+01:00"}, "at is"),
        ({"at": "2026-02-30T17:00:04Z"}, "at is"),
        ({"at": 1768410004}, "at is 1768410004"),
        ({"delta_setpoint_mw": -1.25}, "delta_setpoint_mw is -1.25, where a decimal string"),
        ({"delta_setpoint_mw": "1e9"}, "delta_setpoint_mw is '1e9'"),
        ({"delta_setpoint_mw": "-1.250\n"}, "delta_setpoint_mw is"),
        ({"delta_setpoint_mw": "\u0661"}, r"delta_setpoint_mw is '\\u0661'"),
        ({"delta_setpoint_mw": "9" * 99}, "delta_setpoint_mw is '9{59}…, where"),
        ({"delta_setpoint_mw": [1]}, "delta_setpoint_mw is a list"),
        ({"is_valid": 1}, "is_valid is 1, where true or false belongs"),
    ],
)
def test_what_is_no_setpoint_is_named(changes, says):
    with pytest.raises(UnreadableMessage, match=says):
        read_setpoint(body(**changes))


@pytest.mark.parametrize("odd", [b"", b"[]", b"3", b"\xff", b"[" * 100_000, b'{"a": ' * 900 + b"1" + b"}" * 900, b"{}"])
def test_what_is_no_object_is_named(odd):
    with pytest.raises(UnreadableMessage):
        read_setpoint(odd)


@given(damaged(st.just(body())) | st.binary(max_size=80))
def test_no_bytes_raise_anything_but_our_own_exception(odd):
    with suppress(UnreadableMessage):
        judge_setpoint(SETPOINT, read_setpoint(odd), now=AT, terms=TERMS)


def judged(received, *, previous=SETPOINT, now=AT + CYCLE):
    judgement = judge_setpoint(previous, received, now=now, terms=TERMS)
    return judgement.use, judgement.why


NEXT = replace(SETPOINT, sequence=13, at=AT + CYCLE, delta_setpoint_mw=Decimal(0))


def test_the_next_setpoint_is_followed_and_the_first_one_too():
    assert judged(NEXT) == (Use.USABLE, "Setpoint 13 follows setpoint 12.")
    assert judged(replace(NEXT, sequence=20)) == (Use.USABLE, "Setpoint 20 follows setpoint 12.")
    assert judged(NEXT, previous=None) == (Use.USABLE, "Setpoint 13 is the first.")


def test_a_jump_of_the_full_volume_is_followed():
    assert judged(replace(NEXT, delta_setpoint_mw=Decimal(200)))[0] is Use.USABLE


def test_the_same_setpoint_again_is_nothing_new():
    assert judged(SETPOINT) == (Use.REPEATED, "Setpoint 12 is the one we have.")


def test_a_setpoint_that_freezes_becomes_stale():
    frozen_at = AT + TERMS.longest_age
    assert judged(SETPOINT, now=frozen_at)[0] is Use.REPEATED
    assert judged(SETPOINT, now=frozen_at + timedelta(seconds=1)) == (
        Use.STALE, "Setpoint 12 is 0:00:13 old, and may be 0:00:12 old at most.",
    )  # fmt: skip


def test_an_older_one_that_came_later_is_stale():
    late = replace(SETPOINT, sequence=11, at=AT - CYCLE)
    assert judged(late) == (Use.STALE, "Setpoint 11 came after setpoint 12, which is newer.")


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 11, "at": AT + CYCLE},
        {"sequence": 11},
        {"sequence": 12, "at": AT + CYCLE},
        {"sequence": 13},
        {"sequence": 13, "at": AT - CYCLE},
        {"delta_setpoint_mw": Decimal(1)},
    ],
)
def test_number_instant_and_power_go_on_together_or_contradict_each_other(changes):
    use, why = judged(replace(SETPOINT, **changes))
    assert use is Use.INVALID
    assert "contradicts setpoint 12 of 2026-01-14T17:00:04+00:00" in why


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"is_valid": False}, "Setpoint 13 is marked as not valid by TenneT."),
        ({"delta_setpoint_mw": Decimal("NaN")}, "Setpoint 13 is NaN MW, which is no number."),
        ({"delta_setpoint_mw": Decimal("-Infinity")}, "Setpoint 13 is -Infinity MW, which is no number."),
        ({"delta_setpoint_mw": Decimal("-9999.1")}, "Setpoint 13 is -9999.1 MW, which no pool has."),
        ({"at": AT + timedelta(seconds=9)}, "Setpoint 13 is 0:00:05 ahead of our time: compare the clocks."),
    ],
)
def test_what_cannot_be_followed_is_invalid(changes, says):
    assert judged(replace(NEXT, **changes)) == (Use.INVALID, says)


def test_words_that_are_no_number_are_read_so_that_they_can_be_told_apart():
    for word in ("NaN", "Infinity", "-Infinity"):
        assert judged(read_setpoint(body(sequence=13, delta_setpoint_mw=word)))[0] is Use.INVALID


def test_tennets_clock_may_be_a_little_ahead():
    assert judged(replace(NEXT, at=AT + 2 * CYCLE))[0] is Use.USABLE


@pytest.mark.parametrize("changes", [{"longest_age": timedelta(0)}, {"clock_tolerance": timedelta(seconds=-1)}])
def test_terms_that_no_setpoint_meets_are_refused(changes):
    with pytest.raises(ValueError, match="No setpoint can be younger"):
        SignalTerms(**changes)


def test_a_measurement_is_told_with_injection_positive():
    assert json.loads(measurement_body(MEASUREMENT)) == {
        "at": "2026-01-14T17:00:04Z",
        "reference_mw": "3.210000",
        "measured_mw": "2.500000",
        "available_up_mw": "1.000000",
        "available_down_mw": "2.000000",
        "is_in_control": True,
    }


@given(st.integers(-9_999_000_000, 9_999_000_000))
def test_every_watt_is_told(power_w):
    told = json.loads(measurement_body(replace(MEASUREMENT, measured_w=power_w)))["measured_mw"]
    assert Decimal(told) * 1_000_000 == -power_w
    assert "E" not in told


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"at": AT.replace(tzinfo=None)}, "has no time zone"),
        ({"reference_w": 1.5}, "reference_w of 2026-01-14T17:00:04.* is 1.5: give whole watts from -9999000000"),
        ({"measured_w": float("nan")}, "measured_w of .* is nan"),
        ({"measured_w": 9_999_000_001}, "measured_w of .* is 9999000001"),
        ({"available_reduce_w": -1}, "available_reduce_w of .* is -1: give whole watts from 0 to"),
        ({"available_increase_w": None}, "available_increase_w of .* is None"),
    ],
)
def test_what_is_no_measurement_is_named(changes, says):
    with pytest.raises(InvalidMeasurement, match=says):
        replace(MEASUREMENT, **changes)
