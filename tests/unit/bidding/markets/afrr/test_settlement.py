import json
from contextlib import suppress
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.ptu import ptus_of_day
from bidding.markets.afrr.fields import UnreadableMessage
from bidding.markets.afrr.settlement import SettledDirection, SettledPeriod, read_settlement
from tests.damaged import damaged

DAY = date(2026, 1, 14)


def period(position, starts_at, **changes):
    return {
        "position": position,
        "starts_at": f"{starts_at:%Y-%m-%dT%H:%M:%SZ}",
        "requested_up_mwh": "0.123456",
        "requested_down_mwh": "0",
        "price_up_eur_per_mwh": "183.07",
        "price_down_eur_per_mwh": "-15.00",
        "amount_eur": "22.60",
        "missed_up_mwh": "0.001",
        "missed_down_mwh": "0",
        "penalty_eur": "1.50",
        **changes,
    }


def periods(day=DAY):
    return [period(number, ptu) for number, ptu in enumerate(ptus_of_day(day), start=1)]


def body(day=DAY, /, **changes):
    return json.dumps({"day": day.isoformat(), "is_final": True, "periods": periods(day), **changes}).encode()


@pytest.mark.parametrize(("day", "count"), [(DAY, 96), (date(2026, 3, 29), 92), (date(2026, 10, 25), 100)])
def test_a_day_is_settled_in_all_its_ptus(day, count):
    settled = read_settlement(body(day), day=day)
    assert (settled.day, settled.is_final, len(settled.periods)) == (day, True, count)
    assert tuple(period.starts_at for period in settled.periods) == ptus_of_day(day)


def test_a_period_is_read_in_our_words():
    assert read_settlement(body(is_final=False), day=DAY).periods[0] == SettledPeriod(
        position=1,
        starts_at=ptus_of_day(DAY)[0],
        reduce=SettledDirection(Decimal("0.123456"), Decimal("183.07"), Decimal("0.001")),
        increase=SettledDirection(Decimal(0), Decimal("-15.00"), Decimal(0)),
        amount_eur=Decimal("22.60"),
        penalty_eur=Decimal("1.50"),
    )


def test_periods_may_come_in_any_order():
    assert read_settlement(body(periods=periods()[::-1]), day=DAY) == read_settlement(body(), day=DAY)


FIRST = ptus_of_day(DAY)[0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"day": "2026-01-15"}, "is of '2026-01-15', and not of 2026-01-14"),
        ({"day": None}, "is of None"),
        ({"is_final": "yes"}, "is_final is 'yes'"),
        ({"periods": {}}, "periods of TenneT's settlement is an object, where a list belongs"),
        ({"periods": [3]}, "A period of TenneT's settlement is no JSON object but 3"),
        ({"periods": periods()[1:]}, "does not give each of its 96 PTUs once"),
        ({"periods": [*periods(), periods()[0]]}, "does not give each of its 96 PTUs once"),
        ({"periods": [period(1, FIRST.replace(minute=15)), *periods()[1:]]}, "does not give each"),
        ({"periods": [period(0, FIRST), *periods()[1:]]}, "does not give each"),
        ({"periods": [period(1, FIRST, requested_up_mwh="-1")]}, "requested_up_mwh is '-1', where a decimal string"),
        ({"periods": [period(1, FIRST, penalty_eur="-1")]}, "penalty_eur is '-1'"),
        ({"periods": [period(1, FIRST, amount_eur=22.6)]}, "amount_eur is 22.6"),
        ({"periods": [period(1, FIRST, price_up_eur_per_mwh="NaN")]}, "price_up_eur_per_mwh is 'NaN'"),
        ({"periods": [period(1, FIRST, price_down_eur_per_mwh=None)]}, "price_down_eur_per_mwh is None"),
    ],
)
def test_what_is_no_settlement_of_the_day_is_named(changes, says):
    with pytest.raises(UnreadableMessage, match=says):
        read_settlement(body(**changes), day=DAY)


@given(damaged(st.just(body())) | st.binary(max_size=80))
def test_no_bytes_raise_anything_but_our_own_exception(odd):
    with suppress(UnreadableMessage):
        read_settlement(odd, day=DAY)
