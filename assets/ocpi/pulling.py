"""Fetching what partners may not have pushed: their locations and sessions since the last time.

    pull_due(*, clock, http) -> number of partners fetched from

Pushing is optional in OCPI and is not repeated when it fails, so what was missed, by them or by us, is found here:
everything changed since the newest object of the last fetch, after a silence as after a start, and what was refused
before its EVSE was known (`missed`). A fetch is of a closed period, so that objects which change meanwhile do not move
from page to page; the next fetch finds them.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aggregator.core.clock import Clock
from aggregator.core.http import RequestFailed, RequestRefused
from aggregator.core.isolation import failing_alone
from aggregator.core.jobs import AlreadyRunning, job
from aggregator.core.storable import storable
from assets.models import OcpiConnection, OcpiUnknownEvse
from assets.ocpi.client import AddressRefused, Peer, Sends
from assets.ocpi.missed import known_by_now
from assets.ocpi.parties import LOCATIONS, SENDER, SESSIONS, endpoint, required_endpoint
from assets.ocpi.places import take_locations
from assets.ocpi.receiving import take_sessions
from assets.ocpi.services import registered_peer
from assets.ocpi.wire import InvalidObject, PeerFault, instant_of, text_of
from assets.validation.kinds import CLOCK_SKEW

logger = logging.getLogger(__name__)

REACH = timedelta(weeks=8)
"""How far back the first fetch goes: what forecasts learn from."""
REFUSALS_LOGGED = 5


@dataclass(slots=True)
class _Newest:
    """The newest `last_updated` of what was fetched; a page that is fetched again changes nothing."""

    at: datetime | None
    latest: datetime
    """No later than this: an object from the future would hide all that comes before it."""

    def see(self, documents: list[object]) -> None:
        """Remember the newest of a page."""
        for document in documents:
            text = document.get("last_updated") if isinstance(document, dict) else None
            try:
                at = instant_of(text, field="last_updated")
            except InvalidObject:
                continue
            if at <= self.latest:
                self.at = at if self.at is None else max(self.at, at)


def pull_due(*, clock: Clock, http: Sends) -> int:
    """Fetch from every registered partner whose turn it is; a failure is kept with the partner and tried again.

    One that fails through a fault of ours is logged and keeps no other from its turn.
    """
    now = clock.now()
    registered = OcpiConnection.objects.filter(registered_at__isnull=False, partner__is_active=True)
    fetched = 0
    for connection in registered.select_related("partner").order_by("pk"):
        if connection.pulled_at and now - connection.pulled_at < timedelta(minutes=connection.pull_minutes):
            continue
        with failing_alone(
            logger,
            "Nothing was fetched from %s over OCPI; it is tried again every minute. Mend the cause, it is in what "
            "follows; what the partner pushes is taken in all the same.",
            connection.partner,
        ):
            fetched += _pull_once(connection, http, clock)
    return fetched


def _pull_once(connection: OcpiConnection, http: Sends, clock: Clock) -> bool:
    """Fetch from a partner unless another process does; tell whether this one did."""
    try:
        with job(kind="ocpi-pull", key=str(connection.pk), clock=clock):
            _pull(connection, http, clock)
    except AlreadyRunning:
        return False
    return True


def _pull(connection: OcpiConnection, http: Sends, clock: Clock) -> None:
    started_at = clock.now()
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
    connection.pulled_at = started_at
    connection.save(update_fields=["pulled_at", "pull_error", "heard_at", "sessions_until", "locations_until"])


def _pull_locations(connection: OcpiConnection, peers: Sequence[Peer], clock: Clock) -> None:
    url = endpoint(connection.endpoints, LOCATIONS, SENDER)
    if url is None:
        return
    newest = _Newest(connection.locations_until, clock.now() + CLOCK_SKEW)
    since = {"date_from": text_of(newest.at)} if newest.at else {}
    for page in _pages(peers, url, **since, date_to=_until(clock)):
        taken = take_locations(connection_id=connection.pk, documents=page, now=clock.now())
        _log("Location", connection, taken.refused)
        newest.see(page)
    connection.locations_until = newest.at


def _pull_sessions(connection: OcpiConnection, peers: Sequence[Peer], clock: Clock) -> None:
    newest = _Newest(connection.sessions_until, clock.now() + CLOCK_SKEW)
    earliest = clock.now() - REACH
    missed = list(known_by_now(connection.pk))
    since = min([newest.at or earliest, *(max(earliest, evse.missed_since) for evse in missed)])
    url = required_endpoint(connection.endpoints, SESSIONS, SENDER)
    for page in _pages(peers, url, date_from=text_of(since), date_to=_until(clock)):
        taken = take_sessions(connection_id=connection.pk, documents=page, now=clock.now())
        _log("Session", connection, taken.refused)
        newest.see(page)
    connection.sessions_until = newest.at
    OcpiUnknownEvse.objects.filter(pk__in=[evse.pk for evse in missed]).delete()


def _pages(peers: Sequence[Peer], url: str, **filters: str) -> Iterator[list[Any]]:
    """Yield the list of every party that a platform speaks for: one request is routed to one of them."""
    for peer in peers:
        yield from peer.pages(url, **filters)


def _log(kind: str, connection: OcpiConnection, refused: Sequence[tuple[str, InvalidObject]]) -> None:
    for name, error in refused[:REFUSALS_LOGGED]:
        logger.warning("%s %s of %s was not taken: %s", kind, name, connection.partner, error)


def _until(clock: Clock) -> str:
    """Return the end of what is fetched, exclusive: now, by a peer's clock that may be ahead of ours."""
    return text_of(clock.now() + CLOCK_SKEW)
