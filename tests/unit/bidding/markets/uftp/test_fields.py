from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from bidding.markets.uftp import fields as f
from bidding.markets.uftp.vocabulary import Role


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (f.WATT, " +007 ", 7),
        (f.WATT, "-9223372036854775808", -(2**63)),
        (f.PRICE, "1.50000", Decimal("1.5")),
        (f.PRICE, ".5", Decimal("0.5")),
        (f.ACTIVATION_FACTOR, "0.990", Decimal("0.99")),
        (f.INSTANT, "2026-06-30T15:00:00+02:00", datetime(2026, 6, 30, 13, tzinfo=UTC)),
        (f.INSTANT, "2026-06-30T15:00:00.123456789Z", datetime(2026, 6, 30, 15, 0, 0, 123456, tzinfo=UTC)),
        (f.DAY, "2026-07-01+02:00", date(2026, 7, 1)),
        (f.DURATION, "PT900S", timedelta(minutes=15)),
        (f.BOOLEAN, "1", True),
        (f.BASE64, "aGVs\n bG8=", b"hello"),
        (f.ROLE, "DSO", Role.DSO),
    ],
)
def test_every_allowed_spelling_is_read(kind, text, value):
    assert kind.read(text) == value
    assert kind.read_all([text, text]) == [value, value]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (f.WATT, "1_000"),
        (f.WATT, "9223372036854775808"),
        (f.WATT, "\u0661"),
        (f.WATT, "1,2"),
        (f.COUNT, "0"),
        (f.PRICE, "1.00001"),
        (f.PRICE, "NaN"),
        (f.PRICE, "1e3"),
        (f.ACTIVATION_FACTOR, "0"),
        (f.ACTIVATION_FACTOR, "1.01"),
        (f.INSTANT, "2026-06-30T15:00:00"),
        (f.INSTANT, "20260630T150000Z"),
        (f.INSTANT, "2026-02-30T15:00:00Z"),
        (f.INSTANT, "0001-01-01T00:00:00+14:00"),
        (f.DAY, "9999-12-31"),
        (f.DAY, "2026-W27-3"),
        (f.DURATION, "P"),
        (f.DURATION, "P1M"),
        (f.DURATION, "-PT15M"),
        (f.DOMAIN, "Agr.example.com"),
        (f.DOMAIN, "a" * 252 + ".nl"),
        (f.TIME_ZONE, "UTC"),
        (f.ENTITY_ADDRESS, "ean.12345678901"),
        (f.BASE64, "====\u00e9"),
        (f.ROLE, "agr"),
    ],
)
def test_any_other_spelling_is_refused_alone_and_in_a_list(kind, text):
    with pytest.raises(f.NotAllowed):
        kind.read(text)
    with pytest.raises(f.NotAllowed):
        kind.read_all([text, text])


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (f.PRICE, Decimal(12), "12.00"),
        (f.PRICE, Decimal("12.5"), "12.50"),
        (f.PRICE, Decimal("12.375"), "12.375"),
        (f.PRICE, Decimal("1E+3"), "1000.00"),
        (f.PRICE, Decimal("-0.0001"), "-0.0001"),
        (f.ACTIVATION_FACTOR, Decimal(1), "1.00"),
        (f.QUANTITY, Decimal("12.500"), "12.5"),
        (f.INSTANT, datetime(2026, 6, 30, 15, tzinfo=timezone(timedelta(hours=2))), "2026-06-30T13:00:00Z"),
        (f.DURATION, timedelta(hours=1), "PT60M"),
        (f.TEXT, 'a<b & "c"\n', "a&lt;b &amp; &quot;c&quot;&#10;"),
        (f.BOOLEAN, False, "false"),
    ],
)
def test_values_are_written_in_one_way(kind, value, text):
    assert kind.write(value) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (f.PRICE, 1),
        (f.PRICE, True),
        (f.PRICE, 1.0),
        (f.PRICE, Decimal("0.00001")),
        (f.PRICE, Decimal("Infinity")),
        (f.WATT, True),
        (f.WATT, 1.0),
        (f.WATT, 2**63),
        (f.COUNT, 0),
        (f.INSTANT, datetime(2026, 6, 30, 15)),  # noqa: DTZ001 - the naive one is the point
        (f.DAY, datetime(2026, 6, 30, 15, tzinfo=UTC)),
        (f.DURATION, timedelta(seconds=30)),
        (f.BOOLEAN, 1),
        (f.TEXT, "\x00"),
        (f.UUID, "not one"),
    ],
)
def test_values_of_another_kind_are_not_written(kind, value):
    f.PRICE.write(Decimal(1))  # an equal value of the right type was written before
    with pytest.raises(f.NotAllowed):
        kind.write(value)


def test_price_is_exact_whatever_the_decimal_context():
    assert f.PRICE.read("99999999999999999999.9999") == Decimal("99999999999999999999.9999")
