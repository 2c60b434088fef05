"""The service's settings with the addresses of the plain peer."""

from aggregator.settings import *  # noqa: F403 - settings are extended this way

ROOT_URLCONF = "tests.benchmarks.plain_drf"
