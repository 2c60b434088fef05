"""Bids for balancing energy that stand, as tests of following them need them."""

from datetime import timedelta
from decimal import Decimal

from bidding.models import (
    ActivationPtu,
    BalancingBid,
    Commitment,
    LedgerEntry,
)
from tests.integration.bidding.evening import STARTS_AT

MW = 1_000_000
PTU, CYCLE, MINUTE = timedelta(minutes=15), timedelta(seconds=4), timedelta(minutes=1)
PART_W = 120_000
MADE_AT = STARTS_AT - timedelta(hours=2)


def make_bid(ptu, parts, *, direction="reduce", status="stands"):
    """Have a bid of the pool with what each group has in it."""
    made = BalancingBid.objects.create(
        document_mrid="document", ptu_start=ptu, direction=direction, power_w=sum(parts.values()),
        price_eur_per_mwh=Decimal("70.00"), status=status, made_at=MADE_AT, updated_at=MADE_AT,
    )  # fmt: skip
    for group, power_w in parts.items():
        entry = LedgerEntry.objects.create(
            aggregation_ean=group, ptu_start=ptu, direction=direction, sellable_w=power_w
        )
        Commitment.objects.create(entry=entry, balancing_bid=made, power_w=power_w, committed_at=MADE_AT)
    return made


def rows_of(ptu=STARTS_AT):
    return {row.activation.aggregation_ean_id: row for row in ActivationPtu.objects.filter(ptu_start=ptu)}
