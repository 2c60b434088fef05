"""The ledger that keeps any kW from being sold twice.

`LedgerEntry` says how much of a group may be sold in a PTU and direction, and how much is. A trigger adds every
commitment to it and takes released ones off, whichever code writes them; the check refuses the sale that would pass
what is sellable. Two workers selling at once wait for each other on the entry's row.
"""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from aggregator.core.ptu import dutch_time
from bidding.models.directions import Direction

_NO_SANDBOX = """
    IF (SELECT is_sandbox FROM assets_aggregationean WHERE ean = NEW.aggregation_ean_id) THEN
        RAISE integrity_constraint_violation USING MESSAGE = 'A sandbox group is for trying out; it is never sold.';
    END IF;
    RETURN NEW;
"""


class LedgerEntry(models.Model):
    """Sellable and sold power of a group in one PTU and direction."""

    aggregation_ean = models.ForeignKey(
        "assets.AggregationEan", on_delete=models.PROTECT, related_name="ledger_entries"
    )
    ptu_start = models.DateTimeField()
    direction = models.CharField(max_length=8, choices=Direction.choices)
    sellable_w = models.PositiveBigIntegerField(help_text="What can reliably be moved.")
    committed_w = models.PositiveBigIntegerField(default=0, help_text="What is sold; kept by the database.")

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(
                fields=["aggregation_ean", "ptu_start", "direction"], name="one_ledger_entry_per_ptu"
            ),
            models.CheckConstraint(
                condition=Q(committed_w__lte=F("sellable_w")),
                name="never_sell_a_kw_twice",
                violation_error_message=(
                    "This power is already sold in that quarter hour. Offer less, or another window."
                ),
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="nothing_of_a_sandbox_is_sold",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=_NO_SANDBOX,
            )
        ]

    def __str__(self) -> str:
        return f"{self.aggregation_ean_id} {dutch_time(self.ptu_start)} {self.direction}"


_ADD_UP = """
    IF TG_OP <> 'INSERT' THEN
        UPDATE bidding_ledgerentry SET committed_w = committed_w - OLD.power_w
         WHERE id = OLD.entry_id AND OLD.released_at IS NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE bidding_ledgerentry SET committed_w = committed_w + NEW.power_w
         WHERE id = NEW.entry_id AND NEW.released_at IS NULL;
    END IF;
    RETURN NULL;
"""


class Commitment(models.Model):
    """Power of one ledger entry promised to one buyer."""

    entry = models.ForeignKey(LedgerEntry, on_delete=models.PROTECT, related_name="commitments")
    bid = models.ForeignKey("bidding.Bid", null=True, blank=True, on_delete=models.PROTECT, related_name="commitments")
    contract_call = models.ForeignKey(
        "bidding.ContractCall", null=True, blank=True, on_delete=models.PROTECT, related_name="commitments"
    )
    balancing_bid = models.ForeignKey(
        "bidding.BalancingBid", null=True, blank=True, on_delete=models.PROTECT, related_name="commitments"
    )
    power_w = models.PositiveBigIntegerField()
    committed_at = models.DateTimeField()
    released_at = models.DateTimeField(
        null=True, blank=True, help_text="Set when the promise lapsed, as when not cleared."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entry", "bid"], name="one_commitment_per_bid_and_ptu"),
            models.UniqueConstraint(fields=["entry", "contract_call"], name="one_commitment_per_call_and_ptu"),
            models.UniqueConstraint(fields=["entry", "balancing_bid"], name="one_commitment_per_balancing_bid_and_ptu"),
            models.CheckConstraint(
                condition=Q(bid__isnull=False, contract_call__isnull=True, balancing_bid__isnull=True)
                | Q(bid__isnull=True, contract_call__isnull=False, balancing_bid__isnull=True)
                | Q(bid__isnull=True, contract_call__isnull=True, balancing_bid__isnull=False),
                name="commitment_to_one_buyer",
            ),
            models.CheckConstraint(condition=Q(power_w__gt=0), name="commitment_is_positive"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="adds_up_in_ledger",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                func=_ADD_UP,
            )
        ]

    def __str__(self) -> str:
        return f"{self.power_w} W of entry {self.entry_id} for {self.bid or self.contract_call or self.balancing_bid}"
