"""How people read our numbers and moments: kilowatts, euros, Dutch time."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from aggregator.core.ptu import MARKET_ZONE, dutch_time
from aggregator.core.units import kilowatt

MISSING = "—"
TO = "\N{EN DASH}"


def kilo(value: int | None) -> str:
    """Return watt as kW, or watt-hour as kWh, with at most one decimal and without the unit.

    >>> kilo(1_234_560), kilo(200_000), kilo(None)
    ('1,234.6', '200', '—')
    """
    return MISSING if value is None else f"{kilowatt(value):,.1f}".removesuffix(".0")


def euros(amount: Decimal | None) -> str:
    """Return an amount with two decimals.

    >>> euros(Decimal("1234.5")), euros(Decimal("-3"))
    ('€ 1,234.50', '-€ 3.00')
    """
    if amount is None:
        return MISSING
    return f"{'-' if amount < 0 else ''}€ {abs(amount):,.2f}"


def moment(instant: datetime | None) -> str:
    """Return an instant as date and time in the Netherlands, for lists.

    >>> from datetime import UTC
    >>> moment(datetime(2026, 1, 14, 16, tzinfo=UTC))
    '2026-01-14 17:00'
    """
    return MISSING if instant is None else dutch_time(instant)


def day(value: date | None) -> str:
    """Return a date, for lists.

    >>> day(date(2026, 1, 14))
    '2026-01-14'
    """
    return MISSING if value is None else value.isoformat()


def time_of_day(value: time | None) -> str:
    """Return a time that is Dutch time already.

    >>> time_of_day(time(16, 30))
    '16:30'
    """
    return MISSING if value is None else f"{value:%H:%M}"


def clock_time(instant: datetime | None) -> str:
    """Return the time of day in the Netherlands.

    >>> from datetime import UTC
    >>> clock_time(datetime(2026, 10, 25, 1, 15, tzinfo=UTC))
    '02:15 CET'
    """
    return MISSING if instant is None else dutch_time(instant, "%H:%M")


def clock_times(starts_at: datetime, ends_at: datetime) -> str:
    """Return a part of one day."""
    return f"{clock_time(starts_at)}{TO}{clock_time(ends_at)}"


def period(starts_at: datetime, ends_at: datetime) -> str:
    r"""Return a period as people say it.

    >>> from datetime import UTC
    >>> ascii(period(datetime(2026, 1, 14, 16, tzinfo=UTC), datetime(2026, 1, 14, 19, tzinfo=UTC)))
    "'Wed 14 Jan 17:00\\u201320:00'"
    """
    same_day = starts_at.astimezone(MARKET_ZONE).date() == ends_at.astimezone(MARKET_ZONE).date()
    end = clock_time(ends_at) if same_day else dutch_time(ends_at, "%a %-d %b %H:%M")
    return f"{dutch_time(starts_at, '%a %-d %b %H:%M')}{TO}{end}"


def duration(length: timedelta) -> str:
    """Return a length of time in words, to the minute; seconds below one.

    >>> duration(timedelta(hours=2, minutes=5, seconds=3)), duration(timedelta(seconds=40))
    ('2 h 5 min', '40 s')
    """
    seconds = int(abs(length).total_seconds())
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 min"


def shortened(text: str, longest: int = 140) -> str:
    """Return a text on one line, cut where it gets too long for a table."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
