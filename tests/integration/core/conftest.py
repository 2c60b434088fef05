import pytest

from tests.integration.core.outgoing import START
from tests.standing_clock import StandingClock


@pytest.fixture
def clock():
    return StandingClock(START)
