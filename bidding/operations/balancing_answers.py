"""What became of documents of balancing bids, answered by TenneT or given up. Each function is one act."""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from aggregator.core import audit
from aggregator.core.ptu import dutch_time
from bidding.markets.afrr.client import Outcome, Sent, TennetClient
from bidding.models import BalancingBid
from bidding.operations.approvals import GateClosed
from bidding.operations.balancing_bids import require_time, send_take_back
from bidding.operations.ledger import release_commitments
from bidding.services import afrr_terms

logger = logging.getLogger(__name__)

Status = BalancingBid.Status

_AWAITS = Q(status=Status.SENDING) | Q(status=Status.STANDS, take_back_asked_at__isnull=False)


def awaits_answer(document_mrid: str) -> bool:
    """Tell whether an answer to a document still decides about a bid."""
    return BalancingBid.objects.filter(_AWAITS, document_mrid=document_mrid).exists()


@transaction.atomic
def note_answer(*, document_mrid: str, sent: Sent, tennet: TennetClient, now: datetime) -> None:
    """Take over what TenneT answered to a document; the same answer again changes nothing."""
    for bid in _awaiting(document_mrid):
        named = sent.acknowledgement.rejected_mrids if sent.acknowledgement else ()
        is_refused = sent.outcome is Outcome.REFUSED or (sent.outcome is Outcome.DONE_IN_PART and bid.mrid in named)
        if bid.status == Status.SENDING:
            _note_offer(bid, sent.why if is_refused else "", tennet, now)
        elif is_refused:
            _note_not_taken_back(bid, Status.STANDS, sent.why, now)
        else:
            _end(bid, Status.TAKEN_BACK, bid.status_reason, now)


@transaction.atomic
def note_unanswered(*, document_mrid: str, may_have_arrived: bool, why: str, now: datetime) -> None:
    """Note that a document was given up; what TenneT may have taken stays sold."""
    for bid in _awaiting(document_mrid):
        if bid.status == Status.STANDS:
            _note_not_taken_back(bid, Status.UNKNOWN if may_have_arrived else Status.STANDS, why, now)
        elif may_have_arrived:
            _set(bid, Status.UNKNOWN, why, now)
            logger.warning("Ask TenneT whether it has %s: %s Its power stays sold.", bid, why)
        else:
            _end(bid, Status.NOT_SENT, why, now)
            logger.warning("The %s was not sent: %s Its power is free again.", bid, why)


def _awaiting(document_mrid: str) -> list[BalancingBid]:
    """Return the bids that a document decides about, locked in one order."""
    rows = BalancingBid.objects.select_for_update().filter(_AWAITS, document_mrid=document_mrid)
    return list(rows.order_by("pk"))


def _note_offer(bid: BalancingBid, refusal: str, tennet: TennetClient, now: datetime) -> None:
    if refusal:
        _end(bid, Status.REFUSED, refusal, now)
        logger.warning("TenneT refused the %s, so its power is free again: %s", bid, refusal)
        return
    _set(bid, Status.STANDS, bid.status_reason, now)
    if bid.take_back_asked_at is None:
        return
    try:
        require_time(bid.ptu_start, afrr_terms(), now)
    except GateClosed as late:
        _note_not_taken_back(bid, Status.STANDS, str(late), now)
    else:
        send_take_back(bid, tennet=tennet, now=now)


def _note_not_taken_back(bid: BalancingBid, status: Status, why: str, now: datetime) -> None:
    bid.take_back_asked_at = None
    _set(bid, status, f"Not taken back. {why}", now)
    logger.warning("The %s at %s was not taken back: %s It may be called.", bid, dutch_time(bid.ptu_start), why)


def _end(bid: BalancingBid, status: Status, reason: str, now: datetime) -> None:
    _set(bid, status, reason, now)
    release_commitments(bid=bid, now=now)


def _set(bid: BalancingBid, status: Status, reason: str, now: datetime) -> None:
    bid.status, bid.status_reason, bid.updated_at = status, reason, now
    bid.save(update_fields=["status", "status_reason", "take_back_asked_at", "updated_at"])
    audit.record(now=now, action=f"bidding.balancing-bid.{status.replace('_', '-')}", subject=bid, reason=reason)
