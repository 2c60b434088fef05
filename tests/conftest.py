"""Every test that touches the database uses a real PostgreSQL: the configured one, or the embedded one."""

import itertools
import os

import pytest
from hypothesis import settings as hypothesis_settings

from aggregator import embedded

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


_NUMBERS = itertools.count()
_STARTED = pytest.StashKey[bool]()
