import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Mod

from bidding.models.announcements import Announcement
from bidding.models.directions import Direction


class Bid(models.Model):
    """Power offered for every PTU of a window at a price, and what became of it."""

    class Status(models.TextChoices):
        PROPOSED = "proposed", "Waits for approval"
        REFUSED = "refused", "Refused by an operator"
        APPROVED = "approved", "Approved, being sent"
        SUBMITTED = "submitted", "On the exchange"
        CLEARED = "cleared", "Cleared in full"
        PARTLY_CLEARED = "partly_cleared", "Cleared in part"
        NOT_CLEARED = "not_cleared", "Not cleared"
        WITHDRAWN = "withdrawn", "Withdrawn"
        FAILED = "failed", "Not accepted by the exchange"

    reference = models.UUIDField(
        unique=True, default=uuid.uuid4, editable=False, help_text="Our name for it on the wire."
    )
    announcement = models.ForeignKey(Announcement, on_delete=models.PROTECT, related_name="bids")
    aggregation_ean = models.ForeignKey("assets.AggregationEan", on_delete=models.PROTECT, related_name="bids")
    direction = models.CharField(max_length=8, choices=Direction.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    power_w = models.PositiveBigIntegerField()
    min_power_w = models.PositiveBigIntegerField(help_text="The product's minimum on the day of the bid.")
    step_w = models.PositiveBigIntegerField(help_text="The product's step on the day of the bid.")
    price_eur_per_mwh = models.DecimalField(max_digits=10, decimal_places=2)
    reliability = models.DecimalField(max_digits=5, decimal_places=4)
    explanation = models.JSONField(help_text="Why this much: scenarios, reliability curve, what limits it.")
    status = models.CharField(max_length=14, choices=Status.choices)
    cleared_power_w = models.PositiveBigIntegerField(default=0)
    cleared_price_eur_per_mwh = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    exchange_order_id = models.CharField(max_length=64, blank=True)
    status_reason = models.TextField(blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(power_w__gte=F("min_power_w")),
                name="bid_at_least_the_minimum",
                violation_error_message=(
                    "The bid is below the product's minimum. Offer at least the minimum, or nothing."
                ),
            ),
            models.CheckConstraint(condition=Q(step_w__gt=0), name="bid_step_is_positive"),
            models.CheckConstraint(
                condition=Q(power_w=F("power_w") - Mod(F("power_w"), F("step_w"))),
                name="bid_in_whole_steps",
                violation_error_message="The bid is not a whole number of steps. Round it down to the product's step.",
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="bid_ends_after_it_starts"),
            models.CheckConstraint(condition=Q(cleared_power_w__lte=F("power_w")), name="bid_cleared_at_most_offered"),
            models.CheckConstraint(
                condition=Q(reliability__gt=0, reliability__lt=1), name="bid_reliability_is_a_probability"
            ),
            models.UniqueConstraint(
                fields=["announcement", "aggregation_ean"],
                condition=~Q(status__in=["refused", "withdrawn", "failed"]),
                name="one_living_bid_per_announcement_and_ean",
            ),
        ]

    def __str__(self) -> str:
        return f"bid of {self.power_w // 1000} kW for {self.aggregation_ean_id}, {self.get_status_display().lower()}"


class NoBid(models.Model):
    """Why an announcement got no bid from a group; every announcement gets a bid or this."""

    announcement = models.ForeignKey(Announcement, on_delete=models.PROTECT, related_name="no_bids")
    aggregation_ean = models.ForeignKey("assets.AggregationEan", on_delete=models.PROTECT, related_name="no_bids")
    reason = models.TextField()
    explanation = models.JSONField(default=dict)
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["announcement", "aggregation_ean"], name="one_no_bid_per_announcement_and_ean"
            )
        ]

    def __str__(self) -> str:
        return f"no bid for {self.aggregation_ean_id}: {self.reason}"
