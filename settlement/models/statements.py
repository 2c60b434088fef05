from django.db import models
from django.db.models import F, Q

from aggregator.core.ptu import dutch_time


class Statement(models.Model):
    """Money for the deliveries of a period, per partner and aggregation EAN. A correction is a new version."""

    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    version = models.PositiveIntegerField()
    issued_at = models.DateTimeField()
    total_eur = models.DecimalField(max_digits=12, decimal_places=2)
    deliveries = models.ManyToManyField(
        "settlement.Delivery", related_name="statements", help_text="The versions that were counted."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["starts_at", "ends_at", "version"], name="one_statement_per_period_version"
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="statement_ends_after_it_starts"),
        ]

    def __str__(self) -> str:
        return f"statement {dutch_time(self.starts_at, '%Y-%m-%d')}, version {self.version}"


class StatementLine(models.Model):
    """One beneficiary's part: a partner, or the aggregator itself when no partner is named."""

    statement = models.ForeignKey(Statement, on_delete=models.CASCADE, related_name="lines")
    partner = models.ForeignKey(
        "assets.Partner", null=True, blank=True, on_delete=models.PROTECT, related_name="statement_lines"
    )
    aggregation_ean = models.ForeignKey(
        "assets.AggregationEan", on_delete=models.PROTECT, related_name="statement_lines"
    )
    delivered_wh = models.BigIntegerField(
        help_text="Paid energy of the partner's assets; the aggregator's own line has none."
    )
    amount_eur = models.DecimalField(max_digits=12, decimal_places=2)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["statement", "partner", "aggregation_ean"],
                name="one_statement_line_per_partner_and_ean",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.amount_eur} EUR for {self.partner or 'the aggregator'}"


class StatementCharge(models.Model):
    """A contract's fee or penalty within the aggregator's own line of its aggregation EAN."""

    class Kind(models.TextChoices):
        AVAILABILITY = "availability", "Fee for availability"
        PENALTY = "penalty", "Penalty for shortfall"

    statement = models.ForeignKey(Statement, on_delete=models.CASCADE, related_name="charges")
    contract = models.ForeignKey("bidding.Contract", on_delete=models.PROTECT, related_name="charges")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    amount_eur = models.DecimalField(max_digits=12, decimal_places=2, help_text="Below zero, we pay.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["statement", "contract", "kind"], name="one_charge_per_contract_and_kind")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display().lower()} of {self.amount_eur} EUR"
