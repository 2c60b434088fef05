"""Generated messages: any values that the attribute tables allow."""

from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, get_type_hints

from hypothesis import strategies as st

from bidding.markets.uftp import fields as f
from bidding.markets.uftp.codec import MESSAGE_TYPES
from bidding.markets.uftp.fields import Children, Kind
from bidding.markets.uftp.messages import PayloadMessage
from bidding.markets.uftp.tables import Rules, rules_of, table_of
from bidding.markets.uftp.vocabulary import (
    Disposition,
    MeteringUnit,
    Profile,
    Result,
    Role,
    SettlementDisposition,
)

_text = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12
)
_bigint = st.integers(-(2**63), 2**63 - 1)
_instants = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
_BY_KIND: list[tuple[Kind, st.SearchStrategy[Any]]] = [
    (f.TEXT, _text),
    (f.UUID, st.uuids().map(str)),
    (f.DOMAIN, st.from_regex(r"\A[a-z0-9]{1,8}(-[a-z0-9]{1,5})?\.[a-z]{2,6}\Z")),
    (f.ENTITY_ADDRESS, st.from_regex(r"\A(ean\.[0-9]{12,34}|ea1\.[0-9]{4}-[0-9]{2}\.[a-z.]{1,20}:[ -~]{1,20})\Z")),
    (f.TIME_ZONE, st.sampled_from(["Europe/Amsterdam", "America/Argentina/Ushuaia"])),
    (f.CURRENCY, st.from_regex(r"\A[A-Z]{3}\Z")),
    (f.METER_EAN, st.from_regex(r"\A[Ee][0-9]{16}\Z")),
    (f.RESULT, st.sampled_from(Result)),
    (f.ROLE, st.sampled_from(Role)),
    (f.DISPOSITION, st.sampled_from(Disposition)),
    (f.SETTLEMENT_DISPOSITION, st.sampled_from(SettlementDisposition)),
    (f.PROFILE, st.sampled_from(Profile)),
    (f.METERING_UNIT, st.sampled_from(MeteringUnit)),
    (f.WATT, _bigint),
    (f.INTEGER, _bigint),
    (f.COUNT, st.integers(1, 120)),
    (f.PRICE, st.decimals(Decimal(-(10**9)), Decimal(10**9), places=4)),
    (f.ACTIVATION_FACTOR, st.decimals(Decimal("0.01"), Decimal(1), places=2)),
    (f.QUANTITY, st.decimals(Decimal(-(10**9)), Decimal(10**9), places=6)),
    (f.BOOLEAN, st.booleans()),
    (f.INSTANT, _instants),
    (f.DAY, st.dates(date(1970, 1, 1), date(9998, 12, 31))),
    (f.DURATION, st.integers(1, 1440).map(lambda minutes: timedelta(minutes=minutes))),
]


@cache
def messages_of(message_type: type[PayloadMessage], version: str) -> st.SearchStrategy[PayloadMessage]:
    """Return a strategy for one type of message in one version."""
    return _rows(message_type, rules_of(version), version)


def any_message(version: str) -> st.SearchStrategy[PayloadMessage]:
    """Return a strategy for all types of message in one version."""
    return st.sampled_from(sorted(MESSAGE_TYPES)).flatmap(lambda name: messages_of(MESSAGE_TYPES[name], version))


@cache
def _rows(row_type: Any, rules: Rules, version: str) -> st.SearchStrategy[Any]:
    hints = get_type_hints(row_type, include_extras=True)
    required = {column.field: column.required for column in table_of(row_type, rules).columns}
    values: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields(row_type):
        (entry,) = hints[field.name].__metadata__
        if isinstance(entry, Children):
            rows = _rows(entry.row, rules, version)
            values[field.name] = st.lists(rows, min_size=entry.minimum, max_size=3).map(tuple)
        elif field.name not in required:
            values[field.name] = st.none()
        elif entry.kind is f.VERSION:
            values[field.name] = st.just(version)
        else:
            given = next(strategy for kind, strategy in _BY_KIND if kind is entry.kind)
            optional = not required[field.name] and field.default is None
            values[field.name] = st.none() | given if optional else given
    return st.builds(row_type, **values)
