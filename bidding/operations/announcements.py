"""Writing down what the platform announces, as it was known when, and what that means for bids that were made."""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from aggregator.core.locks import AdvisoryLock, take
from aggregator.core.messaging.inbox import receive
from assets.models import CongestionArea
from bidding.markets.gopacs.announcements import ReceivedAnnouncement, last_updated, matching_area
from bidding.models import Announcement, Bid
from bidding.operations.order_changes import withdraw
from bidding.queries import newest_announcements

_ANNOUNCEMENTS = 1  # one lock for all: two pollers must not both find the same announcement new


@transaction.atomic
def record_announcements(*, received: Iterable[ReceivedAnnouncement], now: datetime) -> list[Announcement]:
    """Store what is new or changed since we last looked; return the rows added.

    Of two lists the one that was asked for later may be stored first: what was changed earlier is no news then.
    Bids on an announcement that was withdrawn, or whose period, side or place changed, are taken back in the same
    transaction; on new terms every group answers anew. Other changes - the remaining need above all - let bids stand.
    """
    take(AdvisoryLock.BIDDING, _ANNOUNCEMENTS)
    by_id = {announcement.external_id: announcement for announcement in received}
    newest = {
        row.external_id: row
        for row in Announcement.objects.filter(external_id__in=by_id).order_by("external_id", "revision")
    }
    areas = dict(CongestionArea.objects.values_list("pk", "postcodes"))
    fresh = [
        _row(announcement, newest.get(external_id), matching_area(announcement.postcodes, areas), now)
        for external_id, announcement in by_id.items()
        if _is_news(announcement, newest.get(external_id))
    ]
    added = Announcement.objects.bulk_create(fresh)
    for row in added:
        if row.is_withdrawn:
            _take_bids_back(row, "The grid operator withdrew its announcement.", now)
        elif row.external_id in newest and row.terms != newest[row.external_id].terms:
            _take_bids_back(row, f"The announcement changed: {_changes(newest[row.external_id], row)}.", now)
    return added


@transaction.atomic
def withdraw_vanished(*, listed: Collection[str], after: timedelta, now: datetime) -> list[Announcement]:
    """Count announcements that lie ahead as withdrawn once complete lists left them out for `after`; return those.

    No public text says whether the platform marks what is withdrawn or drops it. One list is not believed: pages move
    while they are read. What comes back later is a change like any other, to be answered anew.
    """
    take(AdvisoryLock.BIDDING, _ANNOUNCEMENTS)
    ahead = newest_announcements().filter(is_withdrawn=False, starts_at__gt=now)
    known = {row.external_id: row for row in ahead}
    back = [row.pk for row in known.values() if row.external_id in listed and row.missing_since]
    Announcement.objects.filter(pk__in=back).update(missing_since=None)
    missing = [row for row in known.values() if row.external_id not in listed]
    Announcement.objects.filter(pk__in=[row.pk for row in missing], missing_since=None).update(missing_since=now)
    vanished = [row for row in missing if row.missing_since and now - row.missing_since >= after]
    for row in vanished:
        row.pk, row.revision, row.known_at = None, row.revision + 1, now
        row.is_open, row.is_withdrawn, row.document = False, True, {}
    added = Announcement.objects.bulk_create(vanished)
    for row in added:
        _take_bids_back(row, f"The announcement is no longer listed, since {row.missing_since}.", now)
    return added


def why_asked_no_more(announcement: Announcement) -> str:
    """Return why nobody may bid any more on an announcement as it was read; empty while it stands.

    Nothing new is written down of announcements until the transaction ends, so a bid made in it is there for whoever
    writes down the withdrawal. Take this lock before those of groups, bids and the ledger, as `record_announcements`
    does.
    """
    take(AdvisoryLock.BIDDING, _ANNOUNCEMENTS)
    newest = newest_announcements().get(external_id=announcement.external_id)
    if newest.is_withdrawn:
        return f"Announcement {newest.external_id} was withdrawn meanwhile. Make no bid for it."
    if not newest.is_open:
        return f"Announcement {newest.external_id} is no longer open. Make no bid for it."
    if newest.terms != announcement.terms:
        return (
            f"Announcement {newest.external_id} changed meanwhile: its period, side or place is another. Make a bid "
            f"for revision {newest.revision}."
        )
    return ""


def keep_unreadable(*, document: object, reason: str, now: datetime) -> None:
    """Keep an announcement that cannot be read among the incoming messages, once, for people to see."""
    body = json.dumps(document, sort_keys=True).encode()
    digest = hashlib.sha256(body).hexdigest()
    message, is_new = receive(now=now, channel="announcements", sender="gopacs", message_id=digest, body=body)
    if is_new:
        message.processed_at, message.error = now, reason
        message.save(update_fields=["processed_at", "error"])


def note_helping_eans(*, announcement_id: int, eans: Sequence[str]) -> None:
    """Note which of our EANs GOPACS says help with an announcement."""
    Announcement.objects.filter(pk=announcement_id).update(helping_eans=list(eans))


def _is_news(received: ReceivedAnnouncement, known: Announcement | None) -> bool:
    if known is None or known.document == received.document:
        return known is None
    says, knew = last_updated(received.document), last_updated(known.document)
    return says is None or knew is None or says >= knew


def _row(
    received: ReceivedAnnouncement, before: Announcement | None, area_id: int | None, now: datetime
) -> Announcement:
    row = Announcement(
        external_id=received.external_id,
        revision=before.revision + 1 if before else 1,
        terms=before.terms if before else 1,
        known_at=now,
        congestion_area_id=area_id,
        postcodes=sorted(received.postcodes),
        helping_eans=before.helping_eans if before else None,
        direction=received.direction,
        starts_at=received.period.starts_at,
        ends_at=received.period.ends_at,
        required_power_w=list(received.required_power_w),
        is_mandatory=received.is_mandatory,
        is_open=received.is_open,
        is_withdrawn=received.is_withdrawn,
        document=dict(received.document),
    )
    if before and not row.is_withdrawn and (before.is_withdrawn or _changes(before, row)):
        row.terms += 1
        row.helping_eans = None
    return row


def _changes(before: Announcement, after: Announcement) -> str:
    """Return in words what changed of what a bid rests on; nothing when it can stand."""
    is_moved = (before.starts_at, before.ends_at) != (after.starts_at, after.ends_at)
    is_elsewhere = set(before.postcodes) != set(after.postcodes)
    words = [("its period", is_moved), ("its side", before.direction != after.direction), ("its place", is_elsewhere)]
    return ", ".join(word for word, is_changed in words if is_changed)


def _take_bids_back(announcement: Announcement, reason: str, now: datetime) -> None:
    living = [Bid.Status.PROPOSED, Bid.Status.APPROVED, Bid.Status.SOUGHT, Bid.Status.SUBMITTED]
    bids = Bid.objects.filter(
        announcement__external_id=announcement.external_id, status__in=living, withdrawal_asked_at__isnull=True
    )
    for bid in bids.select_for_update(of=("self",)).order_by("pk"):
        withdraw(bid_id=bid.pk, now=now, actor=None, reason=reason)
