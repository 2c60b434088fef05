"""The day that an address of a page names."""

from datetime import date

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9998, 12, 31)
"""Pages name days before and after, so there must be some."""


def asked_day(text: str | None) -> date | None:
    """Return the day that is asked for, None where there is none that a page can show.

    >>> asked_day("2026-01-14"), asked_day("yesterday"), asked_day("9999-12-31"), asked_day(None)
    (datetime.date(2026, 1, 14), None, None, None)
    """
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        return None
    return day if day and FIRST_DAY <= day <= LAST_DAY else None
