import contextlib
from datetime import UTC, datetime
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.interval import Interval
from bidding.markets.gopacs.announcements import (
    UnreadableAnnouncement,
    helping_eans,
    matching_area,
    read_announcement,
)


def document(**changes):
    base = {
        "id": "8f0c",
        "complianceType": "VOLUNTARY",
        "announcementState": "ANNOUNCEMENT_OPEN",
        "problemAreaDescription": "Utrecht Centrum",
        "requestAreaDescriptionBuyOrders": "Outside Utrecht Centrum",
        "requestAreaDescriptionSellOrders": "Utrecht Centrum",
        "problemPeriod": {"startTime": 1768406400000, "endTime": 1768417200000},
        "requiredProblemProfileInMW": [1.5] * 11 + [0.1],
        "congestedZipCodes": ["3511", "3512 AB"],
    }
    return {**base, **changes}


def test_off_take_congestion_asks_to_consume_less():
    announcement = read_announcement(document())
    assert announcement.direction == "reduce"
    assert announcement.required_power_w == (1_500_000,) * 11 + (100_000,)
    assert announcement.postcodes == {"3511", "3512"}
    assert (announcement.is_open, announcement.is_mandatory) == (True, False)


def test_feed_in_congestion_asks_to_consume_more():
    turned = document(
        requestAreaDescriptionBuyOrders="Utrecht Centrum", requestAreaDescriptionSellOrders="Outside Utrecht Centrum"
    )
    assert read_announcement(turned).direction == "increase"


def test_a_withdrawn_mandatory_one_is_told_apart():
    announcement = read_announcement(document(announcementState="ANNOUNCEMENT_WITHDRAWN", complianceType="MANDATORY"))
    assert (announcement.is_open, announcement.is_mandatory) == (False, True)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"requiredProblemProfileInMW": [1.5]}, "gives 1 values for 12 PTUs"),
        ({"requestAreaDescriptionSellOrders": "elsewhere"}, "neither or both"),
        ({"problemPeriod": {"startTime": 1768417200000, "endTime": 1768406400000}}, "not after its start"),
        ({"problemPeriod": {"startTime": 1768406460000, "endTime": 1768417200000}}, "quarter hour"),
        ({"problemPeriod": {}}, "KeyError 'startTime'"),
        ({"type": "RESERVE"}, "is of type 'RESERVE'"),
        ({"requiredProblemProfileInMW": None}, "TypeError"),
        # what could not be stored, and would keep the others of its list from being stored
        ({"id": "x" * 65}, "id has 65 characters"),
        ({"id": "a\0"}, r"'a\\x00' .* NUL"),
        ({"id": "\ud800"}, r"'\\ud800' .* surrogates"),
        ({"note": {"en": ["a\0b"]}}, "NUL"),
        ({"note": float("nan")}, "not JSON compliant"),
        ({"note": reduce(lambda inner, _: [inner], range(21), 0)}, "nested deeper than 20 levels"),
        ({"requiredProblemProfileInMW": [1e13] * 12}, "10000000000000000000 W"),
        ({"requiredProblemProfileInMW": ["1e999999"] * 12}, "Overflow"),
        ({"problemPeriod": {"startTime": 10**20, "endTime": 1768417200000}}, "too large"),
    ],
)
def test_what_cannot_be_read_is_named(changes, says):
    with pytest.raises(UnreadableAnnouncement, match=says):
        read_announcement(document(**changes))


@pytest.mark.parametrize("odd", [[], "x", 3, None])
def test_what_is_no_object_is_unreadable_too(odd):
    with pytest.raises(UnreadableAnnouncement, match="that is no object"):
        read_announcement(odd)


def test_a_period_of_millennia_is_refused_at_once():
    # counting its quarter hours one by one would take longer than a round may
    endless = document(problemPeriod={"startTime": 0, "endTime": 253402300799000 // 900000 * 900000})
    with pytest.raises(UnreadableAnnouncement, match="gives 12 values for 281558111 PTUs"):
        read_announcement(endless)


@given(
    st.dictionaries(st.sampled_from(sorted(document())), st.none() | st.integers() | st.text() | st.lists(st.text()))
)
def test_no_document_breaks_the_reader(changes):
    with contextlib.suppress(UnreadableAnnouncement):
        read_announcement(document(**changes))


def test_the_area_that_shares_most_postcodes_is_meant():
    areas = {1: ["3511"], 2: ["3511", "3512"], 3: ["3561"]}
    assert matching_area(frozenset({"3511", "3512"}), areas) == 2
    assert matching_area(frozenset({"1011"}), areas) is None
    assert matching_area(frozenset({"3511"}), {}) is None


def part(starts, ends, **eans):
    """Name EANs from one hour to another of 14 January 2026."""
    at = [round(datetime(2026, 1, 14, hour, tzinfo=UTC).timestamp() * 1000) for hour in (starts, ends)]
    return {"during": {"startTime": at[0], "endTime": at[1]}, "eansByCategory": eans}


def helping(*parts, direction="reduce", **options):
    period = Interval(datetime(2026, 1, 14, 16, tzinfo=UTC), datetime(2026, 1, 14, 19, tzinfo=UTC))
    return helping_eans(list(parts), direction=direction, period=period, **options)


A, B, C = "871685900000000001", "871685900000000002", "871685900000000003"


def test_an_ean_helps_that_is_named_during_all_of_the_period_in_one_part_or_several():
    whole, first, gap = part(15, 20, X_REDUCE=[A]), part(16, 17, X_REDUCE=[B, C]), part(18, 19, X_REDUCE=[B])
    assert helping(whole, first, gap) == [A]
    assert helping(gap, part(17, 18, Y_REDUCE=[B]), first) == [B]
    assert helping() == []


def test_the_category_tells_the_side():
    both = part(16, 19, THREE_PHASE_NETWORK_REDUCE=[A], THREE_PHASE_NETWORK_INCREASE=[B], WHATEVER=[C])
    assert helping(both) == [A, C]
    assert helping(both, direction="increase") == [B, C]
    assert helping(both, category_directions={"WHATEVER": "increase"}) == [A, B]


@pytest.mark.parametrize(
    "odd",
    [
        {"eansByCategory": {"X_REDUCE": ["a"]}},
        {"during": {"startTime": "16:00", "endTime": 0}, "eansByCategory": {}},
        {"during": {"startTime": 0, "endTime": 10**20}, "eansByCategory": {}},
        part(19, 16, X_REDUCE=[A]),
        part(16, 19, X_REDUCE=[f"ean.{A}"]),
        part(16, 19, X_REDUCE=A),
        part(16, 19, X_REDUCE=[None]),
        {**part(16, 19), "eansByCategory": ["a"]},
    ],
)
def test_an_answer_about_eans_of_another_shape_is_named(odd):
    with pytest.raises(UnreadableAnnouncement, match="cannot be read"):
        helping(odd)
