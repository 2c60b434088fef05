"""What a BSP sends: bid documents and measurements. One call is one transaction, one at a time on the whole market."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q

from mock_gopacs.models import Bsp, EnergyBid, Market, PoolMeasurement, ReceivedBidDocument
from mock_gopacs.tennet.acknowledging import acknowledge
from mock_gopacs.tennet.facts import terms
from mock_gopacs.tennet.findings import Finding, Reason
from mock_gopacs.tennet.judging import Sender, StandingBid, bids_of, judge
from mock_gopacs.tennet.ladder import Direction
from mock_gopacs.tennet.measuring import read_measurement
from mock_gopacs.tennet.reading import BidDocument, read_document


@transaction.atomic
def receive_document(body: bytes, *, party_id: str, now: datetime) -> bytes:
    """Take a bid document in and return its acknowledgement; the same bytes again get the same one.

    Raises `InvalidXml`, or `Market.DoesNotExist` and `Bsp.DoesNotExist` when a reset was first.
    """
    document = read_document(body)
    Market.lock()
    bsp, agreed = Bsp.objects.get(pk=party_id), terms()
    earlier = bsp.documents.filter(mrid=document.mrid).first() if document.mrid else None
    if earlier and bytes(earlier.body) == body:
        return bytes(earlier.acknowledgement)
    if earlier:
        text = "Another document came under this mRID: give each document its own."
        findings = [Finding(Reason.DUPLICATE_DOCUMENT, text)]
    else:
        findings = judge(document, sender=_sender(bsp, document), terms=agreed, now=now)
    answer = acknowledge(document, findings, mrid=str(uuid.uuid4()), tennet=agreed.party_id, bsp=bsp.party_id, now=now)
    if document.mrid and not earlier:
        ReceivedBidDocument.objects.create(
            bsp=bsp,
            mrid=document.mrid,
            body=body,
            acknowledgement=answer,
            is_accepted=not findings,
            received_at=now,
        )
    if not findings:
        _apply(document, bsp)
    return answer


@transaction.atomic
def take_measurement(body: Mapping[str, Any], *, party_id: str, now: datetime) -> None:
    """Keep a measurement; raises `MeasurementRefused`, or what `receive_document` raises after a reset."""
    Market.lock()
    bsp = Bsp.objects.get(pk=party_id)
    last = bsp.measurements.order_by("-at").first()
    measured = read_measurement(body, now=now, last_at=last.at if last else None, terms=terms())
    PoolMeasurement.objects.create(bsp=bsp, received_at=now, **asdict(measured))


def _sender(bsp: Bsp, document: BidDocument) -> Sender:
    """Return the BSP with its bids that the document names, and all of the PTUs that it touches."""
    ptus = {bid.period.starts_at for bid in document.series if bid.period}
    mrids = {bid.mrid for bid in document.series}
    bids = (
        StandingBid(row.mrid, row.starts_at, Direction(row.direction), Decimal(row.quantity_mw), row.price_eur_per_mwh)
        for row in bsp.bids.filter(Q(starts_at__in=ptus) | Q(mrid__in=mrids))
    )
    return Sender(
        party_id=bsp.party_id,
        prequalified_mw={
            Direction.UP: Decimal(bsp.prequalified_up_mw),
            Direction.DOWN: Decimal(bsp.prequalified_down_mw),
        },
        bids={bid.mrid: bid for bid in bids},
    )


def _apply(document: BidDocument, bsp: Bsp) -> None:
    """Make, change or cancel the bids of an accepted document; a cancelled bid keeps its price."""
    bids = bids_of(document)
    EnergyBid.objects.bulk_create(
        (
            EnergyBid(
                bsp=bsp,
                mrid=bid.mrid,
                starts_at=bid.ptu,
                direction=bid.direction.value,
                quantity_mw=int(bid.quantity_mw),
                price_eur_per_mwh=bid.price_eur_per_mwh,
            )
            for bid in bids
            if bid.quantity_mw
        ),
        update_conflicts=True,
        unique_fields=["bsp", "mrid"],
        update_fields=["quantity_mw", "price_eur_per_mwh"],
    )
    bsp.bids.filter(mrid__in=[bid.mrid for bid in bids if not bid.quantity_mw]).update(quantity_mw=0)
