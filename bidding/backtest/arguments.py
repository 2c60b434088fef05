"""The words of the backtest's command line, turned into values."""

import re
from argparse import ArgumentTypeError
from datetime import timedelta

from bidding.backtest.options import LocalWindow

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_window(text: str) -> LocalWindow:
    """Read `17:00-19:00`."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})", text)
    if not match:
        raise ArgumentTypeError(f"a window reads like 17:00-19:00, not {text!r}")
    hour, minute, end_hour, end_minute = map(int, match.groups())
    try:
        return LocalWindow(60 * hour + minute, 60 * end_hour + end_minute)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def parse_duration(text: str) -> timedelta:
    """Read `90m`, `4h` or `1d`."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)([mhd])", text)
    if not match:
        raise ArgumentTypeError(f"a duration reads like 90m, 4h or 1d, of up to six digits, not {text!r}")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def parse_share(text: str) -> float:
    """Read `none`, `all` or a fraction."""
    named = {"none": 0.0, "all": 1.0}
    try:
        share = named[text] if text in named else float(text)
    except ValueError:
        raise ArgumentTypeError(f"a share is none, all or a fraction, not {text!r}") from None
    if not 0 <= share <= 1:
        raise ArgumentTypeError(f"a fraction lies in 0..1, not {text}")
    return share
