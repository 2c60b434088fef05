import os
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from aggregator import embedded
from tests.integration.mock_gopacs.market_process import (
    CONTROL_TOKEN,
    MarketProcess,
    end,
    free_port,
    manage,
    start_web,
    utc,
)


@pytest.fixture(scope="session")
def market_database():
    """An empty database of this test process's own, on the server that all tests use."""
    name = f"test_mock_gopacs_{os.getpid()}"
    with psycopg.connect(embedded.database_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_conninfo(embedded.database_url(), dbname=name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def market_process(market_database, tmp_path_factory):
    """The web process; the market's own clockwork is started by the tests that want it."""
    clock_file: Path = tmp_path_factory.mktemp("mock_gopacs") / "clock.json"
    bind = f"127.0.0.1:{free_port()}"
    environment = {
        **os.environ,
        "MOCK_GOPACS_DATABASE_URL": market_database,
        "MOCK_GOPACS_BIND": bind,
        "MOCK_GOPACS_CONTROL_TOKEN": CONTROL_TOKEN,
        "AGGREGATOR_CLOCK_FILE": str(clock_file),
    }
    manage(environment, "migrate", "--verbosity", "0")
    market = MarketProcess(address=f"http://{bind}", environment=environment, clock_file=clock_file)
    market.set_clock(utc(14, 30))
    web = start_web(environment)
    yield market
    end(web)
