"""Why a PTU got no balancing bid, and which groups have no part in one: kept for the page, for as long as it shows it.

Notes are in the cache. One that is lost costs a sentence on the page, and that the PTU is looked at again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from django.core.cache import cache

KEPT_FOR = timedelta(days=2)

Key = tuple[datetime, str]


@dataclass(slots=True)
class Note:
    """What was seen for one PTU and direction: what could be bid, the most that may be, and who stayed out and why."""

    prequalified_mw: int
    offered_w: int = 0
    stay_out: dict[str, str] = field(default_factory=dict)


def keep_note(ptu_start: datetime, direction: str, note: Note) -> None:
    """Keep a note for the page."""
    cache.set(_name((ptu_start, direction)), asdict(note), timeout=KEPT_FOR.total_seconds())


def notes(keys: Iterable[Key]) -> Mapping[Key, Note]:
    """Return the notes that there are on some PTUs and directions, in one round trip."""
    names = {_name(key): key for key in keys}
    return {names[name]: Note(**values) for name, values in cache.get_many(names).items()}


def _name(key: Key) -> str:
    ptu_start, direction = key
    return f"balancing-offer:{ptu_start.isoformat()}:{direction}"
