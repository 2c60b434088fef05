"""Sessions that were refused because nobody had told of their EVSE: once it is known, they are fetched again.

    note_missed(*, connection_id, sessions) -> None
    known_by_now(connection_id) -> EVSEs that sessions were refused for and that are known

A fetch asks for what changed since the last one, and a push is not repeated: without this they would be lost.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection as database
from django.db.models import QuerySet

from assets.models import OcpiEvse, OcpiUnknownEvse
from assets.ocpi.objects import Session


def note_missed(*, connection_id: int, sessions: Iterable[Session]) -> None:
    """Remember since when sessions of unknown EVSEs are missed; in the caller's transaction, under its lock."""
    oldest: dict[str, datetime] = {}
    for session in sessions:
        key = session.evse_uid.lower()
        oldest[key] = min(oldest.get(key, session.last_updated), session.last_updated)
    if not oldest:
        return
    with database.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO assets_ocpiunknownevse AS old (connection_id, key, missed_since)
            SELECT %s, key, missed_since FROM unnest(%s::text[], %s::timestamptz[]) AS told (key, missed_since)
            ON CONFLICT (connection_id, key) DO UPDATE
                SET missed_since = LEAST(old.missed_since, excluded.missed_since)
            """,
            [connection_id, list(oldest), list(oldest.values())],
        )


def known_by_now(connection_id: int) -> QuerySet[OcpiUnknownEvse]:
    """Return the EVSEs that sessions were refused for and that are known by now."""
    evses = OcpiEvse.objects.filter(connection_id=connection_id)
    return OcpiUnknownEvse.objects.filter(connection_id=connection_id, key__in=evses.values("key"))
