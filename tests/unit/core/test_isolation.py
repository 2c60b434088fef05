"""One item of a round fails alone."""

import logging

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from aggregator.core.isolation import failing_alone

logger = logging.getLogger(__name__)


def test_an_item_that_fails_is_logged_with_its_cause_and_the_next_has_its_turn(caplog):
    done = []
    for number in (1, 0, 2):
        with failing_alone(logger, "Item %s was not done; mend it.", number):
            done.append(1 / number)
    assert done == [1.0, 0.5]
    (record,) = caplog.records
    assert (record.levelname, record.message) == ("ERROR", "Item 0 was not done; mend it.")
    assert record.exc_info[0] is ZeroDivisionError


def test_a_round_that_is_out_of_time_ends():
    with pytest.raises(SoftTimeLimitExceeded), failing_alone(logger, "Item 1 was not done."):
        raise SoftTimeLimitExceeded
