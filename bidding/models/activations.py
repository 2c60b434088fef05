from django.db import models
from django.db.models import F, Q

from bidding.models.bids import Bid
from bidding.models.directions import Direction


class Activation(models.Model):
    """A cleared bid that has become a duty to deliver."""

    class Status(models.TextChoices):
        ORDERED = "ordered", "Waits for a plan"
        PLANNED = "planned", "Planned, not started"
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished, waits for meter values"
        SETTLED = "settled", "Settled"

    reference = models.CharField(max_length=64, unique=True, help_text="The order's reference on the market.")
    bid = models.OneToOneField(Bid, on_delete=models.PROTECT, related_name="activation")
    aggregation_ean = models.ForeignKey("assets.AggregationEan", on_delete=models.PROTECT, related_name="activations")
    direction = models.CharField(max_length=8, choices=Direction.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ORDERED)
    planned_until = models.DateTimeField(null=True, blank=True, help_text="Start of the last PTU that was planned.")
    hold_reason = models.TextField(blank=True, help_text="Why an operator stopped it; empty while it may run.")
    shortfall_note = models.TextField(blank=True, help_text="What was foreseen or found to be missing, and why.")
    ordered_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="activation_ends_after_it_starts")
        ]

    def __str__(self) -> str:
        return f"activation {self.reference}"


class ActivationPtu(models.Model):
    """What is ordered in one PTU."""

    activation = models.ForeignKey(Activation, on_delete=models.CASCADE, related_name="ptus")
    ptu_start = models.DateTimeField()
    ordered_w = models.PositiveBigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["activation", "ptu_start"], name="one_order_per_activation_ptu")]

    def __str__(self) -> str:
        return f"{self.ordered_w} W at {self.ptu_start:%Y-%m-%d %H:%M}"
