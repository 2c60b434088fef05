"""Offering balancing energy (aFRR) to TenneT, and taking it back. Each function is one act in one transaction."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from aggregator.core import audit
from aggregator.core.interval import Interval
from aggregator.core.messaging.operations import enqueue
from aggregator.core.ptu import PTU, dutch_time
from assets.models import AggregationEan
from bidding.markets.afrr.bid_document import BidDocument, bid_document_xml
from bidding.markets.afrr.bids import Bid
from bidding.markets.afrr.client import DOCUMENT_HEADERS, TennetClient
from bidding.markets.afrr.terms import WATT_PER_MEGAWATT, ProductTerms
from bidding.models import BalancingBid, Direction
from bidding.models.directions import as_literal
from bidding.operations.approvals import GateClosed, NotInState, automatic_part_w
from bidding.operations.balancing_left import Held, StaysOut
from bidding.operations.balancing_notes import Note, keep_note, notes
from bidding.operations.ledger import commit, locked_group
from bidding.operations.pricing import NotPriceable, quote
from bidding.optimisation.balancing_offers import parts_w
from bidding.services import afrr_terms, tennet_party

CHANNEL = "tennet"

BEFORE_GATE = timedelta(seconds=30)
"""Later nothing is begun: a document that is under way when the gate closes is refused as a whole."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a group may put into a bid, and the least it asks for it: EUR/MWh to receive, whatever the direction."""

    group: AggregationEan
    power_w: int
    reliable_w: int
    asks_eur_per_mwh: Decimal


def offer_balancing(*, ptu_start: datetime, tennet: TennetClient, now: datetime) -> list[BalancingBid]:
    """Offer for a PTU what the groups that offer balancing energy have left, all of them together.

    Done once, in one document: what was made before is returned, whatever became of it. The power is taken from the
    ledger in the same transaction. Why there is no bid, and who has no part in one, is noted. Raises `GateClosed`, and
    `NotInState` where a later PTU was bid for already, which was not lowered for this one.
    """
    looked_at: dict[str, Note] = {}
    with transaction.atomic():
        bids = _offer_all(ptu_start, looked_at, tennet, now)
    for direction, note in looked_at.items():
        keep_note(ptu_start, direction, note)
    return bids


def was_looked_at(ptu_start: datetime) -> bool:
    """Tell whether a PTU has its bids, or is known to have none."""
    if BalancingBid.objects.filter(ptu_start=ptu_start).exists():
        return True
    return len(notes((ptu_start, direction) for direction in Direction)) == len(Direction)


def _offer_all(ptu: datetime, looked_at: dict[str, Note], tennet: TennetClient, now: datetime) -> list[BalancingBid]:
    terms = afrr_terms()
    require_time(ptu, terms, now)
    asked = AggregationEan.objects.filter(offers_balancing=True).order_by("ean").values_list("ean", flat=True)
    groups = [group for group in map(locked_group, asked) if group.offers_balancing]
    if made := list(BalancingBid.objects.filter(ptu_start=ptu).order_by("pk")):
        return made
    if BalancingBid.objects.filter(ptu_start__gt=ptu, status__in=BalancingBid.MAY_BE_CALLED).exists():
        raise NotInState(f"A bid for a later quarter hour than {dutch_time(ptu)} was made already.")
    held, document_mrid = Held.of(groups, ptu=ptu, gate=terms.gate_lead), uuid.uuid4().hex
    bids: list[BalancingBid] = []
    for direction, most_mw in _prequalified_mw().items():
        taken = {ean for bid in bids for ean in bid.commitments.values_list("entry__aggregation_ean", flat=True)}
        note = looked_at[direction] = Note(prequalified_mw=most_mw)
        free = [group for group in groups if group.pk not in taken]
        offers = _offers(free, held, direction, note, terms=terms, now=now) if most_mw else []
        note.offered_w = sum(offer.power_w for offer in offers)
        bid_w = terms.power_to_bid_w(min(note.offered_w, most_mw * WATT_PER_MEGAWATT))
        if bid_w:
            price = _price(direction, offers, terms)
            bid = BalancingBid(document_mrid=document_mrid, ptu_start=ptu, direction=direction, power_w=bid_w)
            bid.price_eur_per_mwh, bid.made_at, bid.updated_at = price, now, now
            bids.append(_made(bid, offers, now))
    if bids:
        _enqueue(bids, power_w={bid.mrid: bid.power_w for bid in bids}, tennet=tennet, now=now)
    return bids


def _prequalified_mw() -> dict[Direction, int]:
    """Return how much may be bid, in the order in which groups are asked: each for one direction."""
    return {Direction.REDUCE: settings.AFRR_MOST_UP_MW, Direction.INCREASE: settings.AFRR_MOST_DOWN_MW}


@transaction.atomic
def take_back(
    *, bid_id: int, tennet: TennetClient, now: datetime, actor: AbstractBaseUser, reason: str
) -> BalancingBid:
    """Ask TenneT to forget a bid; it stays sold until TenneT answers. Raises `NotInState` or `GateClosed`.

    One that waits for an answer itself is taken back once it stands.
    """
    bid = BalancingBid.objects.select_for_update().get(pk=bid_id)
    if bid.status not in {BalancingBid.Status.SENDING, BalancingBid.Status.STANDS}:
        raise NotInState(f"The bid is “{bid.get_status_display()}”: there is nothing to take back.")
    if bid.take_back_asked_at is not None:
        raise NotInState("It was asked already. TenneT has not answered yet.")
    require_time(bid.ptu_start, afrr_terms(), now)
    bid.take_back_asked_at, bid.status_reason, bid.updated_at = now, reason, now
    bid.save(update_fields=["take_back_asked_at", "status_reason", "updated_at"])
    audit.record(now=now, action="bidding.balancing-bid.take-back-asked", subject=bid, actor=actor, reason=reason)
    if bid.status == BalancingBid.Status.STANDS:
        send_take_back(bid, tennet=tennet, now=now)
    return bid


def send_take_back(bid: BalancingBid, *, tennet: TennetClient, now: datetime) -> None:
    """Put the document that takes a bid back in the outbox, in the transaction of a caller who locks it."""
    bid.document_mrid = uuid.uuid4().hex
    bid.save(update_fields=["document_mrid"])
    _enqueue([bid], power_w={bid.mrid: 0}, tennet=tennet, now=now)


def require_time(starts_at: datetime, terms: ProductTerms, now: datetime) -> None:
    """Raise `GateClosed` when nothing sent now about bids for a PTU would surely arrive in time."""
    gate = terms.gate_of(starts_at)
    if now >= gate - BEFORE_GATE:
        raise GateClosed(f"Bids for {dutch_time(starts_at)} are final from {dutch_time(gate)} Dutch time on.")


def _offers(
    groups: Sequence[AggregationEan],
    held: Held,
    direction: Direction,
    note: Note,
    *,
    terms: ProductTerms,
    now: datetime,
) -> list[Offer]:
    offers = []
    for group in groups:
        try:
            offers.append(_offer(group, held, direction, terms=terms, now=now))
        except (StaysOut, NotPriceable) as reason:
            note.stay_out[group.name] = str(reason)
    return offers


def _offer(group: AggregationEan, held: Held, direction: Direction, *, terms: ProductTerms, now: datetime) -> Offer:
    """Return what a group has left and its mandate lets out; raise `StaysOut` or `NotPriceable`."""
    left_w = held.left_w(group, direction)
    if not left_w:
        raise StaysOut("nothing is left of it")
    period = Interval(held.ptu_start, held.ptu_start + PTU)
    asks = quote(aggregation_ean=group, direction=direction, period=period, now=now).price_eur_per_mwh
    part_w, why = automatic_part_w(
        aggregation_ean=group, ptu_start=held.ptu_start, power_w=left_w, price_eur_per_mwh=asks, now=now
    )
    if not part_w:
        raise StaysOut(why)
    _, most = _limits_to_receive(direction, terms)
    if asks > most:
        raise StaysOut(f"it asks € {asks} per MWh, and € {most} is the most that a bid can ask")
    return Offer(group, part_w, held.sized[group.pk, direction].reliable_w, asks)


def _limits_to_receive(direction: Direction, terms: ProductTerms) -> tuple[Decimal, Decimal]:
    """Return the least and the most that can be asked to receive; for consuming more a bid's price is what we pay."""
    lowest, highest = terms.lowest_price_eur_per_mwh, terms.highest_price_eur_per_mwh
    return (lowest, highest) if direction is Direction.REDUCE else (-highest, -lowest)


def _price(direction: Direction, offers: Sequence[Offer], terms: ProductTerms) -> Decimal:
    """Return the price at which the dearest group gets what it asks, in the sign of a bid."""
    least, _ = _limits_to_receive(direction, terms)
    asked = max(least, *(offer.asks_eur_per_mwh for offer in offers))
    asked = asked.quantize(terms.price_step_eur_per_mwh, ROUND_CEILING)
    return asked if direction is Direction.REDUCE else -asked


def _made(bid: BalancingBid, offers: Sequence[Offer], now: datetime) -> BalancingBid:
    """Save a bid and commit each group's part."""
    bid.save()
    by_ean = {offer.group.pk: offer for offer in offers}
    parts = parts_w(bid.power_w, {ean: offer.power_w for ean, offer in by_ean.items()})
    for ean, part_w in parts.items():
        offer = by_ean[ean]
        commit(
            to=bid,
            aggregation_ean=offer.group,
            ptus=[bid.ptu_start],
            power_w=part_w,
            sellable_w=offer.reliable_w,
            now=now,
        )
    audit.record(now=now, action="bidding.balancing-bid.offered", subject=bid, after={"parts_w": parts})
    return bid


def _enqueue(bids: Sequence[BalancingBid], *, power_w: Mapping[str, int], tennet: TennetClient, now: datetime) -> None:
    """Write the document of bids down; it is worthless when their gate closes, so it is never sent later."""
    terms, document_mrid = afrr_terms(), bids[0].document_mrid
    document = BidDocument(
        mrid=document_mrid,
        sender=tennet_party(),
        created_at=now,
        bids=tuple(
            Bid(bid.mrid, bid.ptu_start, as_literal(bid.direction), power_w[bid.mrid], bid.price_eur_per_mwh)
            for bid in bids
        ),
    )
    gate = terms.gate_of(bids[0].ptu_start)
    enqueue(
        now=now,
        channel=CHANNEL,
        conversation=bids[0].ptu_start.isoformat(),
        idempotency_key=document_mrid,
        method="POST",
        url=tennet.documents_url,
        headers=DOCUMENT_HEADERS,
        body=bid_document_xml(document, terms=terms, version=settings.AFRR_DOCUMENT_VERSION),
        deadline_at=gate,
        void_from=gate,
    )
