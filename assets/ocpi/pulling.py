"""Fetching what partners may not have pushed: their locations and sessions since the last time.

    due(*, now) -> the connections whose turn it is
    pull(*, connection_id, clock, http) -> whether this process fetched

Pushing is optional in OCPI and is not repeated when it fails, so what was missed, by them or by us, is found here:
everything changed since the newest object of the last fetch, after a silence as after a start, and what was refused
before its EVSE was known (`missed`).

Each partner has turns of its own, which end in time: one that is slow, or has much to tell, keeps no other waiting, and
goes on in its next turn with the page that this one did not come to (`listing`).
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from aggregator.core.clock import Clock
from aggregator.core.http import RequestFailed, RequestRefused, Response
from aggregator.core.isolation import failing_alone
from aggregator.core.jobs import AlreadyRunning, job
from aggregator.core.storable import storable
from assets.models import OcpiConnection, OcpiUnknownEvse
from assets.ocpi.client import AddressRefused, Peer, Sends
from assets.ocpi.listing import Listing, fetch
from assets.ocpi.missed import known_by_now
from assets.ocpi.parties import LOCATIONS, SENDER, SESSIONS, endpoint, required_endpoint
from assets.ocpi.places import take_locations
from assets.ocpi.receiving import take_sessions
from assets.ocpi.services import registered_peer
from assets.ocpi.wire import InvalidObject, PeerFault

logger = logging.getLogger(__name__)

REACH = timedelta(weeks=8)
"""How far back the first fetch goes: what forecasts learn from."""
TURN = timedelta(minutes=3)
"""After this no request begins; with the slowest last one a task still ends before its time limit."""
STRETCH, SETTLED = timedelta(days=1), timedelta(days=1)
"""What lies far back is fetched day by day: no platform has to list it all, and little is begun again if a list is.

Only of what lies that long back is all known once it was fetched: what is newer may show later.
"""
SHOWS_LATE = timedelta(minutes=5)
"""An object may show this much later than its `last_updated` says, behind newer ones: so far back is asked again."""
REFUSALS_LOGGED = 5


class _OneTurn:
    """The HTTP client of one turn: when that is over, it sends nothing more."""

    def __init__(self, http: Sends, *, lasts: timedelta) -> None:
        self._http, self._until_s = http, time.monotonic() + lasts.total_seconds()

    def request(self, *, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        """Send one request; raises as `HttpClient.request` does."""
        if time.monotonic() >= self._until_s:
            raise RequestFailed("Its turn is over, so that others get theirs; it goes on in its next one.")
        return self._http.request(method=method, url=url, headers=headers, body=body)


def due(*, now: datetime) -> list[int]:
    """Return the registered connections whose turn it is."""
    return [connection.pk for connection in _registered().order_by("pk") if _is_due(connection, now)]


def pull(*, connection_id: int, clock: Clock, http: Sends, lasts: timedelta = TURN) -> bool:
    """Fetch from a partner if it is its turn and no other process does; tell whether this one did.

    A failure is kept with the partner and tried again. A fault of ours is logged.
    """
    connection = _registered().filter(pk=connection_id).first()
    if connection is None or not _is_due(connection, clock.now()):
        return False
    is_fetched = False
    with failing_alone(
        logger,
        "Nothing was fetched from %s over OCPI; it is tried again every minute. Mend the cause, it is in what "
        "follows; what the partner pushes is taken in all the same.",
        connection.partner,
    ):
        is_fetched |= _pull_once(connection, _OneTurn(http, lasts=lasts), clock)
    return is_fetched


def _registered() -> QuerySet[OcpiConnection]:
    registered = OcpiConnection.objects.filter(registered_at__isnull=False, partner__is_active=True)
    return registered.select_related("partner")


def _is_due(connection: OcpiConnection, now: datetime) -> bool:
    return connection.pulled_at is None or now - connection.pulled_at >= timedelta(minutes=connection.pull_minutes)


def _pull_once(connection: OcpiConnection, http: Sends, clock: Clock) -> bool:
    try:
        with job(kind="ocpi-pull", key=str(connection.pk), clock=clock):
            _pull(connection, http, clock)
    except AlreadyRunning:
        return False
    return True


def _pull(connection: OcpiConnection, http: Sends, clock: Clock) -> None:
    started_at, was_pulled_at = clock.now(), connection.pulled_at
    try:
        parties = connection.parties.order_by("id").values_list("country_code", "party_id")
        peers = [registered_peer(http=http, connection=connection, party=party) for party in parties]
        _pull_locations(connection, peers, clock)
        _pull_sessions(connection, peers, clock)
    except (PeerFault, RequestFailed, RequestRefused, AddressRefused, InvalidObject) as error:
        logger.warning("Fetching from %s over OCPI failed: %s", connection.partner, error)
        connection.pull_error = storable(str(error))[:2_000]
    else:
        connection.pull_error, connection.heard_at = "", clock.now()
    _keep(connection, "pull_error", "heard_at")
    _registered_as(connection).filter(pulled_at=was_pulled_at).update(pulled_at=started_at)  # else asked for meanwhile


def _keep(connection: OcpiConnection, *names: str) -> None:
    """Store what a turn came to, unless the platform registered anew meanwhile, as with another party."""
    _registered_as(connection).update(**{name: getattr(connection, name) for name in names})


def _registered_as(connection: OcpiConnection) -> QuerySet[OcpiConnection]:
    return OcpiConnection.objects.filter(pk=connection.pk, registered_at=connection.registered_at)


def _pull_locations(connection: OcpiConnection, peers: Sequence[Peer], clock: Clock) -> None:
    if endpoint(connection.endpoints, LOCATIONS, SENDER) is None:
        return
    until = connection.locations_until
    since = None if until is None else until - SHOWS_LATE
    listing = _unfinished(connection, LOCATIONS) or Listing(clock.now(), since, None, until)
    _fetch(connection, LOCATIONS, listing, peers, lambda page: _take_locations(connection, page, clock.now()))
    connection.locations_until = listing.newest
    _finish(connection, LOCATIONS, "locations_until")


def _pull_sessions(connection: OcpiConnection, peers: Sequence[Peer], clock: Clock) -> None:
    def pull(stretch: Listing) -> None:
        _fetch(connection, SESSIONS, stretch, peers, lambda page: _take_sessions(connection, page, clock.now()))
        connection.sessions_until = stretch.changed_until or stretch.newest
        _finish(connection, SESSIONS, "sessions_until")

    unfinished = _unfinished(connection, SESSIONS)
    if unfinished is not None:
        pull(unfinished)
    borders = _borders(_reached_back(connection, clock.now()), clock.now())
    for border, end in zip(borders, [*borders[1:], None], strict=True):
        start = max(border, connection.sessions_until or border)  # later where all was told at once
        if end is None or start < end:
            pull(Listing(clock.now(), start - SHOWS_LATE, end, start))


def _fetch(
    connection: OcpiConnection,
    module: str,
    listing: Listing,
    peers: Sequence[Peer],
    take: Callable[[list[Any]], None],
) -> None:
    def keep(listing: Listing | None) -> None:
        connection.unfinished[module] = listing and listing.kept()
        _keep(connection, "unfinished")

    fetch(listing, url=required_endpoint(connection.endpoints, module, SENDER), peers=peers, take=take, keep=keep)


def _unfinished(connection: OcpiConnection, module: str) -> Listing | None:
    kept = connection.unfinished.get(module)
    return Listing.of(kept) if kept else None


def _finish(connection: OcpiConnection, module: str, until: str) -> None:
    """Store until when a list is known, in one with that it is at its end."""
    connection.unfinished[module] = None
    _keep(connection, "unfinished", until)


def _take_locations(connection: OcpiConnection, page: list[Any], now: datetime) -> None:
    _log("Location", connection, take_locations(connection_id=connection.pk, documents=page, now=now).refused)


def _take_sessions(connection: OcpiConnection, page: list[Any], now: datetime) -> None:
    _log("Session", connection, take_sessions(connection_id=connection.pk, documents=page, now=now).refused)


@transaction.atomic
def _reached_back(connection: OcpiConnection, now: datetime) -> datetime:
    """Return since when sessions are fetched, and stay so until they were: also those that are missed."""
    earliest = now - REACH
    missed = known_by_now(connection.pk)
    since = min([connection.sessions_until or earliest, *(max(earliest, one.missed_since) for one in missed)])
    connection.sessions_until = since
    _keep(connection, "sessions_until")
    OcpiUnknownEvse.objects.filter(pk__in=[one.pk for one in missed]).delete()
    return since


def _borders(since: datetime, now: datetime) -> list[datetime]:
    """Return the borders of the stretches that are fetched by themselves; what lies behind the last one is one list."""
    borders = [since]
    while borders[-1] + STRETCH <= now - SETTLED:
        borders.append(borders[-1] + STRETCH)
    return borders


def _log(kind: str, connection: OcpiConnection, refused: Sequence[tuple[str, InvalidObject]]) -> None:
    for name, error in refused[:REFUSALS_LOGGED]:
        logger.warning("%s %s of %s was not taken: %s", kind, name, connection.partner, error)
