"""Bids for balancing and what came of them, made without the parts of the service that make them."""

from datetime import timedelta
from decimal import Decimal

from django.db.models import F

from aggregator.core.ptu import PTU
from bidding.markets.afrr.client import NotSettledYet
from bidding.models import Activation, ActivationPtu, BalancingBid, Commitment, Direction, LedgerEntry

MW = 1_000_000


class Told:
    """TenneT, that says of each day what a test put in; a day it has not settled, or one that raises."""

    def __init__(self, *days) -> None:
        self.days = {one.day: one for one in days}
        self.asked = []

    def fetch_settlement(self, day):
        self.asked.append(day)
        found = self.days.get(day, NotSettledYet("TenneT answered HTTP 404."))
        if isinstance(found, Exception):
            raise found
        return found


def balancing_bid(ptu, *, parts, direction=Direction.REDUCE, status=BalancingBid.Status.STANDS):
    """Return a bid in which groups have parts [W]."""
    bid = BalancingBid.objects.create(
        document_mrid="document",
        ptu_start=ptu,
        direction=direction,
        power_w=sum(parts.values()),
        price_eur_per_mwh=Decimal("70.00"),
        status=status,
        made_at=ptu - timedelta(hours=1),
        updated_at=ptu,
    )
    for group, power_w in parts.items():
        entry, _ = LedgerEntry.objects.get_or_create(
            aggregation_ean=group, ptu_start=ptu, direction=direction, defaults={"sellable_w": 0}
        )
        LedgerEntry.objects.filter(pk=entry.pk).update(sellable_w=F("sellable_w") + power_w)
        Commitment.objects.create(entry=entry, balancing_bid=bid, power_w=power_w, committed_at=bid.made_at)
    return bid


def balancing_activation(group, *ordered_w, start, direction=Direction.REDUCE, status=Activation.Status.FINISHED):
    """Return what a group was asked to deliver, quarter hour by quarter hour."""
    activation = Activation.objects.create(
        reference=f"afrr-{group.pk}-{direction}-{start:%Y%m%dT%H%MZ}",
        is_balancing=True,
        aggregation_ean=group,
        direction=direction,
        starts_at=start,
        ends_at=start + len(ordered_w) * PTU,
        status=status,
        ordered_at=start - timedelta(hours=1),
        updated_at=start,
    )
    ActivationPtu.objects.bulk_create(
        ActivationPtu(activation=activation, ptu_start=start + number * PTU, ordered_w=power_w)
        for number, power_w in enumerate(ordered_w)
    )
    return activation
