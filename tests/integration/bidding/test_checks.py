"""What Django's checks say of our settings."""

import pytest

from aggregator.celery import TICKS
from bidding.checks import POLLED_EVERY_TICKS, gopacs_is_polled_no_faster_than_it_asks


@pytest.mark.parametrize(
    ("url", "tick_seconds", "clock_file", "warns"),
    [
        ("https://gopacs.example", 59.9, "", True),
        ("https://gopacs.example", 60.0, "", False),
        ("https://gopacs.example", 1.0, "clock", False),
        ("", 1.0, "", False),
    ],
)
def test_polling_faster_than_gopacs_asks_is_warned_of(settings, url, tick_seconds, clock_file, warns):
    settings.GOPACS_URL, settings.TICK_SECONDS, settings.CLOCK_FILE = url, tick_seconds, clock_file
    found = gopacs_is_polled_no_faster_than_it_asks(None)
    assert [(warning.id, warning.hint) for warning in found] == (
        [("bidding.W001", "Set TICK_SECONDS to at least 60.")] if warns else []
    )


def test_the_check_counts_the_ticks_of_the_schedule():
    assert [ticks for task, _, ticks in TICKS if task == "bidding.tasks.poll_announcements"] == [POLLED_EVERY_TICKS]
