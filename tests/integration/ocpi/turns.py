"""The turns of all partners one after another, as tests need them; the service gives each a task of its own."""

from aggregator.core.clock import Clock
from assets.ocpi.client import Sends
from assets.ocpi.pulling import due, pull


def pull_due(*, clock: Clock, http: Sends) -> int:
    """Fetch from every partner whose turn it is; return how many were fetched from."""
    return sum(pull(connection_id=pk, clock=clock, http=http) for pk in due(now=clock.now()))
