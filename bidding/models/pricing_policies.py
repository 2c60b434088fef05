"""What a group asks for moving energy. Rows are added, never changed."""

from decimal import Decimal

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from aggregator.core.ptu import dutch_time


class PricingPolicy(models.Model):
    """How a group's redispatch is priced from a moment on (`bidding.pricing` has the formula).

    All amounts are per unit of energy moved. The policy in force is the one that began last.
    """

    aggregation_ean = models.ForeignKey(
        "assets.AggregationEan", on_delete=models.PROTECT, related_name="pricing_policies"
    )
    active_from = models.DateTimeField(help_text="Until the next policy of the group begins.")
    rebound_hours = models.PositiveSmallIntegerField(
        default=8, help_text="The hours after a window in which moved energy comes back, at day-ahead prices."
    )
    rebound_share = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal(1), help_text="Part of the moved energy that comes back."
    )
    storage_share = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Part of the moved energy that passes through V2G cars and batteries; empty: from their power.",
    )
    round_trip_efficiency = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.85"), help_text="Of those, from grid to grid."
    )
    wear_eur_per_kwh = models.DecimalField(
        max_digits=8, decimal_places=4, default=Decimal(0), help_text="Per kWh that passes through them."
    )
    energy_tax_eur_per_kwh = models.DecimalField(
        max_digits=8, decimal_places=4, default=Decimal(0), help_text="Excluding VAT."
    )
    taxed_twice_share = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default=Decimal(0),
        help_text="Part of the storage behind small connections, where energy that returns to the grid is taxed again.",
    )
    drivers_eur_per_mwh = models.DecimalField(
        max_digits=10, decimal_places=2, default=Decimal(0), help_text="What drivers get per MWh moved."
    )
    margin_eur_per_mwh = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    entered_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    entered_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "pricing policies"
        constraints = [
            models.UniqueConstraint(fields=["aggregation_ean", "active_from"], name="one_pricing_policy_per_moment"),
            models.CheckConstraint(
                condition=Q(active_from__gte=F("entered_at")),
                name="pricing_policy_changes_no_past",
                violation_error_message="A policy cannot begin before now: bids were priced by the one in force then.",
            ),
            models.CheckConstraint(
                condition=Q(rebound_hours__gte=1, rebound_hours__lte=24, rebound_share__gte=0, rebound_share__lte=2),
                name="pricing_policy_rebound_in_bounds",
                violation_error_message="Energy comes back within 1 to 24 hours, and between 0 and 2 times.",
            ),
            models.CheckConstraint(
                condition=(Q(storage_share__isnull=True) | Q(storage_share__gte=0, storage_share__lte=1))
                & Q(taxed_twice_share__gte=0, taxed_twice_share__lte=1)
                & Q(round_trip_efficiency__gt=0, round_trip_efficiency__lte=1),
                name="pricing_policy_shares_are_shares",
                violation_error_message="Shares lie between 0 and 1; the efficiency above 0.",
            ),
            models.CheckConstraint(
                condition=Q(wear_eur_per_kwh__gte=0, energy_tax_eur_per_kwh__gte=0, drivers_eur_per_mwh__gte=0),
                name="pricing_policy_costs_are_not_negative",
                violation_error_message="Wear, tax and drivers cost at least nothing; use a negative margin instead.",
            ),
        ]
        triggers = [pgtrigger.Protect(name="policy_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"pricing of {self.aggregation_ean_id} from {dutch_time(self.active_from)}"
