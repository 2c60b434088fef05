"""Public holidays of the country that a time zone belongs to: weekdays on which people live as on a Sunday.

The country is read from the table of the IANA time zone data, the dates from the `holidays` library: those of the whole
country, as laws and customs have them. Holidays of a region only are not known, nor is who works on one.
"""

from datetime import date
from functools import lru_cache
from importlib import resources
from warnings import catch_warnings, simplefilter

import holidays

FIRST_YEAR = 2000
LAST_YEAR = 2100


@lru_cache(maxsize=32)
def public_holidays(timezone: str) -> frozenset[date]:
    """Return the holidays of the years 2000 to 2100; none for a zone of no country, as UTC."""
    country = _country_of(timezone)
    if country is None:
        return frozenset()
    with catch_warnings():
        simplefilter("ignore")  # some calendars are known for fewer years
        return frozenset(holidays.country_holidays(country, years=range(FIRST_YEAR, LAST_YEAR + 1)))


def _country_of(timezone: str) -> str | None:
    """Return the ISO 3166 code of a time zone's country."""
    for line in (resources.files("tzdata.zoneinfo") / "zone.tab").read_text().splitlines():
        code, *columns = line.split("\t")
        if len(columns) > 1 and columns[1] == timezone:
            return code
    return None
