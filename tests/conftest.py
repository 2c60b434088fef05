"""Every test that touches the database uses a real PostgreSQL: the configured one, or the embedded one."""

import pytest

from aggregator import embedded


def pytest_configure(config: pytest.Config) -> None:
    # Workers of a parallel run attach to the servers their controller started.
    if not hasattr(config, "workerinput"):
        config.stash[_STARTED] = embedded.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.stash.get(_STARTED, False):
        embedded.stop()


_STARTED = pytest.StashKey[bool]()
