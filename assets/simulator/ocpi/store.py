"""The platform's objects as its SENDER endpoints list them: by `last_updated`, page by page."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

LARGEST_PAGE = 1_000

Made = Callable[[], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list; `next_offset` is None on the last one."""

    rows: list[dict[str, Any]]
    total: int
    limit: int
    next_offset: int | None


class Store:
    """Objects by id, the newest state of each; written by the simulation, read by the server's threads.

    Objects are made when they are asked for: a city's past is tens of thousands of sessions.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[str, tuple[str, Made]] = {}
        self._history: list[tuple[str, str]] = []
        self._listed: tuple[tuple[str, str, int], list[Made]] = (("", "", -1), [])
        self.is_read_to_the_end = threading.Event()
        """Set once somebody has fetched the last page of a list without an end."""

    def put(self, objects: Iterable[tuple[str, str, Made]]) -> None:
        """Put objects (id, last_updated, how to make it); later calls come with later instants."""
        with self._lock:
            for name, last_updated, made in objects:
                self._newest[name] = last_updated, made
                self._history.append((last_updated, name))
            self._history.sort()

    def page(self, *, date_from: str, date_to: str, offset: int, limit: int) -> Page:
        """Return the objects changed from `date_from` on and before `date_to`, oldest first; empty: without an end."""
        with self._lock:
            key = date_from, date_to, len(self._history)
            if self._listed[0] != key:
                end = bisect_left(self._history, (date_to, "")) if date_to else None
                changed = self._history[bisect_left(self._history, (date_from, "")) : end]
                made = [self._newest[name][1] for at, name in changed if self._newest[name][0] == at]
                self._listed = key, made
            made = self._listed[1]
        limit = max(1, min(limit, LARGEST_PAGE))
        following = offset + limit
        rows = [make() for make in made[offset:following]]
        if following >= len(made) and not date_to:
            self.is_read_to_the_end.set()
        return Page(rows, len(made), limit, following if following < len(made) else None)
