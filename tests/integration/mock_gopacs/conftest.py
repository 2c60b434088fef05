import pytest

from tests.integration.mock_gopacs.market_process import scenario_document, utc
from tests.integration.mock_gopacs.uftp_aggregator import Aggregator, Stage, uftp_scenario


@pytest.fixture
def market(market_process):
    """A market at 15:31 local time with its one announcement published and the book open."""
    market_process.set_clock(utc(14, 31))
    market_process.load(scenario_document())
    market_process.control("POST", "step")
    return market_process


@pytest.fixture
def aggregator():
    server = Aggregator()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def stage(market_process, aggregator):
    """A market at 15:40 local time with one contract and no call yet; nothing is sent before a clockwork runs."""
    aggregator.market = market_process
    market_process.set_clock(utc(14, 40))
    market_process.load(uftp_scenario(aggregator))
    return Stage(market_process, aggregator)


@pytest.fixture
def running_stage(stage):
    """The same with the market's clockwork at work."""
    with stage.market.clockwork():
        yield stage
