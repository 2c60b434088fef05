"""Reading GOPACS's public announcements over HTTP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aggregator.core.http import SendsRequests
from aggregator.core.interval import Interval
from bidding.markets.gopacs.announcements import UnreadableAnnouncement, helping_eans

PAGE_SIZE = 100
MOST_PAGES = 50


class AnnouncementsUnavailable(RuntimeError):
    """The platform gave no usable list; the next poll tries again."""


@dataclass(frozen=True, slots=True)
class AnnouncementList:
    """The documents of a list, newest first, and whether its last page was among those read."""

    documents: Sequence[Mapping[str, Any]]
    is_complete: bool

    @property
    def ids(self) -> frozenset[str]:
        """What the list names, readable or not."""
        return frozenset(str(document.get("id")) for document in self.documents if isinstance(document, Mapping))


def fetch_announcements(*, http: SendsRequests, base_url: str) -> AnnouncementList:
    """Return what all pages list.

    Raises `AnnouncementsUnavailable` when the answer is not the expected one; network failures pass through as
    `aggregator.core.http.RequestFailed`.
    """
    documents: list[Mapping[str, Any]] = []
    for page in range(MOST_PAGES):
        url = f"{base_url}/public/announcements?page={page}&size={PAGE_SIZE}"
        answer = http.request(method="GET", url=url, headers={}, body=b"")
        if not answer.is_success:
            raise AnnouncementsUnavailable(f"GOPACS answered HTTP {answer.status_code} to the list of announcements.")
        try:
            content = json.loads(answer.body)
            documents.extend(content["content"])
            is_last = content["last"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise AnnouncementsUnavailable(f"GOPACS's list of announcements cannot be read: {error}") from error
        if is_last:
            return AnnouncementList(documents, is_complete=True)
    return AnnouncementList(documents, is_complete=False)


def fetch_helping_eans(
    *,
    http: SendsRequests,
    base_url: str,
    api_key: str,
    external_id: str,
    direction: str,
    period: Interval,
    category_directions: Mapping[str, str],
) -> list[str]:
    """Return which of our EANs help with an announcement on its side, during all of its period.

    Raises `AnnouncementsUnavailable` when the answer is not the expected one, and `RequestFailed`.
    """
    url = f"{base_url}/public-api/1.0/announcements/{quote(external_id, safe='')}/eansolvingeffectivity"
    answer = http.request(method="GET", url=url, headers={"API_KEY": api_key}, body=b"")
    if not answer.is_success:
        raise AnnouncementsUnavailable(f"GOPACS answered HTTP {answer.status_code} to which EANs help.")
    try:
        return helping_eans(
            json.loads(answer.body), direction=direction, period=period, category_directions=category_directions
        )
    except (ValueError, RecursionError, UnreadableAnnouncement) as error:
        raise AnnouncementsUnavailable(f"Which EANs help with {external_id} cannot be read: {error}") from error
