"""Every test that touches the database uses a real PostgreSQL: the configured one, or the embedded one."""

import itertools
import os
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings
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

# No test is about how busy the machine is, and a change is not refused for what another run might have found:
# `--hypothesis-profile=search` looks for new cases.
hypothesis_settings.register_profile("search", deadline=None)
hypothesis_settings.register_profile("gate", deadline=None, derandomize=True)
hypothesis_settings.load_profile("gate")


def pytest_configure(config: pytest.Config) -> None:
    # Workers of a parallel run attach to the servers their controller started.
    if not hasattr(config, "workerinput"):
        config.stash[_STARTED] = embedded.start(is_throwaway=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose group is spread over the workers of a parallel run: two evenings at once starve each other."""
    is_parted = item.config.getoption("loadgroup", default=False) and "@" not in item.nodeid.rpartition("]")[2]
    if is_parted and item.get_closest_marker("xdist_group"):
        pytest.fail("These versions of pytest and pytest-xdist do not keep a group on one worker.", pytrace=False)


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.stash.get(_STARTED, False):
        embedded.stop()


@pytest.fixture(autouse=True)
def _own_cache(settings):
    """Give each test a cache of its own: parallel workers share one server, and nothing is left for the next test."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": f"{os.getpid()}-{next(_NUMBERS)}"}}


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    """Hash passwords and client secrets in one round: well done it takes a third of a second, at most of the tests."""
    settings.PASSWORD_HASHERS = ["tests.quick_hashes.OneRound"]


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


_NUMBERS = itertools.count()
_STARTED = pytest.StashKey[bool]()
