"""A partner's list of objects, fetched page by page over as many turns as it takes.

    Listing.of(kept) / listing.kept() -> as it is kept between turns
    fetch(listing, *, url, peers, take, keep) -> None

What follows a page is kept once the page was taken in, so every turn gets further, whatever ends it; a page that is
taken in twice changes nothing.

A list without an end in time grows at its end only, where the oldest objects come first by creation
(transport_and_format, paginated response). Where they come by `last_updated`, what changes meanwhile goes to the end,
and what follows moves up over the border of a page, unseen. So a list of several pages in which something changed
lately is gone through again, with an end. Out of a list that has an end goes what changes meanwhile: `X-Total-Count`
falls then, and it is begun again, until all of it was seen standing still. That ends, as nothing goes out twice.

A platform that does not heed `date_to` tells all there is: then that is one list, without an end, for every party.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode

from assets.ocpi.client import PAGE_SIZE, Page, Peer
from assets.ocpi.wire import InvalidObject, PeerFault, instant_of, text_of

_INSTANTS = ("began_at", "changed_from", "changed_until", "newest")
_DO_NOT_COMPARE = 0
LATELY = timedelta(minutes=5)
"""What changed so short before a list began may have changed after it, by a clock that is behind ours."""


@dataclass(slots=True)
class Listing:
    """A list, and how far it was fetched; `party` and `page` are what comes next."""

    began_at: datetime
    changed_from: datetime | None
    changed_until: datetime | None
    newest: datetime | None
    """The newest `last_updated` in it, none later than `began_at`: what changes after that may have been passed."""
    party: int = 0
    page: str = ""
    """Empty: the party's first one."""
    total: int | None = None
    fell_from: int | None = None
    """What the total was when the list was begun the last time, where it is gone through again."""
    has_pages: bool = False
    changed_lately: bool = False
    is_second_look: bool = False
    was_refused: bool = False

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Self:
        """Return a list as it was kept."""
        instants = {name: kept[name] and instant_of(kept[name], field=name) for name in _INSTANTS}
        return cls(**{**kept, **instants})

    def kept(self) -> dict[str, Any]:
        """Return it as JSON."""
        fields = asdict(self)
        return {**fields, **{name: fields[name] and text_of(fields[name]) for name in _INSTANTS}}

    def first_page(self, url: str) -> str:
        """Return where the list of a party begins."""
        changed = {"date_from": self.changed_from, "date_to": self.changed_until}
        filters = {name: text_of(at) for name, at in changed.items() if at is not None}
        return f"{url}?{urlencode({**filters, 'limit': PAGE_SIZE})}"

    def pass_by(self, page: Page, *, leads_on: bool) -> None:
        """Note that a page was taken in."""
        for document in page.documents:
            self._see(document)
        self.was_refused = False
        if self.changed_until and self.newest and self.newest > self.changed_until:
            self.changed_until = None
            if self.party:  # of those before this one perhaps not all was told
                self._go_on_with(0)
                return
        if self.total is None:
            self.total = page.total
            if page.total is not None and self.fell_from is not None and page.total >= self.fell_from:
                self.total = _DO_NOT_COMPARE  # it falls with each page and is whole again: that is no total
        if self.changed_until and self.total and page.total is not None and page.total < self.total:
            self.page, self.total, self.fell_from = "", None, self.total
        elif leads_on and page.following:
            self.page, self.has_pages = page.following, True
        else:
            self._go_on_with(self.party + 1)

    def look_again(self) -> None:
        """Go through a list that may have moved once more, from its beginning to the newest that was seen."""
        if self.has_pages and self.changed_lately and not self.changed_until and not self.is_second_look:
            self.changed_until, self.is_second_look = self.newest or self.began_at, True
            self._go_on_with(0)

    def _go_on_with(self, party: int) -> None:
        self.party, self.page, self.total, self.fell_from = party, "", None, None

    def _see(self, document: object) -> None:
        try:
            at = instant_of(document.get("last_updated") if isinstance(document, dict) else None, field="last_updated")
        except InvalidObject:
            return
        self.changed_lately |= at >= self.began_at - LATELY
        if at <= self.began_at:
            self.newest = at if self.newest is None else max(self.newest, at)


def fetch(
    listing: Listing,
    *,
    url: str,
    peers: Sequence[Peer],
    take: Callable[[list[Any]], None],
    keep: Callable[[Listing | None], None],
) -> None:
    """Fetch a list of every party, as one request is routed to one of them, from where it goes on to its end.

    `take` takes in a page, `keep` stores how far it was fetched; None is to begin again, as links may end: when a page
    was refused in two turns. Raises as `Peer.page`.
    """
    followed: set[str] = set()
    while listing.party < len(peers):
        address = listing.page or listing.first_page(url)
        try:
            page = peers[listing.party].page(address)
        except PeerFault:
            is_given_up, listing.was_refused = listing.was_refused, True
            keep(None if is_given_up else listing)
            raise
        take(page.documents)
        followed.add(f"{listing.party} {address}")
        # Some platforms always link, at last to pages of nothing, or in a circle.
        leads_on = bool(page.documents) and f"{listing.party} {page.following}" not in followed
        listing.pass_by(page, leads_on=leads_on)
        if listing.party == len(peers):
            listing.look_again()
        if not listing.page:
            followed.clear()
        keep(listing)
