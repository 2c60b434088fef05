"""Reading GOPACS's public announcements over HTTP."""

import json
from collections.abc import Mapping
from typing import Any

from aggregator.core.http import HttpClient

PAGE_SIZE = 100
MOST_PAGES = 50


class AnnouncementsUnavailable(RuntimeError):
    """The platform gave no usable list; the next poll tries again."""


def fetch_announcements(*, http: HttpClient, base_url: str) -> list[Mapping[str, Any]]:
    """Return the announcement documents of all pages, newest first.

    Raises `AnnouncementsUnavailable` when the answer is not the expected one; network failures pass through as
    `aggregator.core.http.RequestFailed`.
    """
    documents: list[Mapping[str, Any]] = []
    for page in range(MOST_PAGES):
        answer = http.request(method="GET", url=f"{base_url}/public/announcements?page={page}&size={PAGE_SIZE}")
        if not answer.is_success:
            raise AnnouncementsUnavailable(f"GOPACS answered HTTP {answer.status_code} to the list of announcements.")
        try:
            content = json.loads(answer.body)
            documents.extend(content["content"])
            is_last = content["last"]
        except (ValueError, KeyError, TypeError) as error:
            raise AnnouncementsUnavailable(f"GOPACS's list of announcements cannot be read: {error}") from error
        if is_last:
            return documents
    return documents
