from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import RawSQL

from aggregator.core.ptu import dutch_time


class SetpointBatch(models.Model):
    """What one partner is told at one moment for one purpose; it leaves as one message and is never changed."""

    partner = models.ForeignKey("assets.Partner", on_delete=models.PROTECT, related_name="setpoint_batches")
    aggregation_ean = models.ForeignKey(
        "assets.AggregationEan", on_delete=models.PROTECT, related_name="setpoint_batches"
    )
    order_reference = models.CharField(max_length=64, blank=True, help_text="The market order it serves.")
    reason = models.TextField(blank=True, help_text="Why an operator sent it, when no order did.")
    revision = models.PositiveIntegerField(help_text="A later batch of the same order replaces what it overlaps.")
    created_at = models.DateTimeField()
    message = models.OneToOneField(
        "core.OutboxMessage", null=True, blank=True, on_delete=models.PROTECT, related_name="setpoint_batch"
    )

    class Meta:
        verbose_name_plural = "setpoint batches"
        constraints = [
            models.CheckConstraint(
                condition=~Q(order_reference="") | ~Q(reason=""), name="setpoints_have_order_or_reason"
            ),
            models.UniqueConstraint(
                fields=["partner", "order_reference", "revision"],
                condition=~Q(order_reference=""),
                name="one_setpoint_batch_per_order_revision",
            ),
        ]

    def __str__(self) -> str:
        return f"setpoints {self.order_reference or self.reason} for {self.partner_id}, revision {self.revision}"


class Setpoint(models.Model):
    """The power an asset is asked to keep in each PTU of a period; afterwards it falls back by itself."""

    class Status(models.TextChoices):
        PENDING = "pending", "Not answered"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"
        FOLLOWED = "followed", "Followed"
        NOT_FOLLOWED = "not_followed", "Accepted but not followed"

    batch = models.ForeignKey(SetpointBatch, on_delete=models.PROTECT, related_name="setpoints")
    asset = models.ForeignKey("assets.Asset", on_delete=models.PROTECT, related_name="setpoints")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    power_w = ArrayField(
        models.BigIntegerField(),
        help_text="One value per PTU. Positive: take at most this. Negative: feed in this much.",
    )
    start_early_s = models.PositiveSmallIntegerField(
        default=0, help_text="It takes effect this many seconds before it starts, so that a fleet moves like a slope."
    )
    end_late_s = models.PositiveSmallIntegerField(
        default=0, help_text="It stays in effect this many seconds after it ends, for the same reason."
    )
    ttl_s = models.PositiveSmallIntegerField(
        "time to live",
        null=True,
        blank=True,
        help_text="It rules at most this many seconds unless it is told anew; empty: to its end.",
    )
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    withdrawn_at = models.DateTimeField(
        null=True, blank=True, help_text="When its partner was stopped; it is told to nobody after that."
    )
    result_at = models.DateTimeField(null=True, blank=True)
    result_reason = models.TextField(blank=True)
    achieved_w = models.BigIntegerField(null=True, blank=True, help_text="The power the partner saw when it answered.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "asset"], name="one_setpoint_per_asset_and_batch"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="setpoint_ends_after_it_starts"),
            models.CheckConstraint(condition=Q(power_w__len__gt=0), name="setpoint_has_values"),
            models.CheckConstraint(
                condition=Q(ttl_s__isnull=False) | Q(RawSQL("0 <= ALL (power_w)", (), models.BooleanField())),
                name="feeding_in_has_a_time_to_live",
            ),
        ]
        indexes = [
            models.Index(fields=["asset", "starts_at"], name="setpoint_by_asset_and_time"),
            models.Index(fields=["ends_at"], name="setpoint_by_end"),  # what stands now, of the whole fleet
        ]

    def __str__(self) -> str:
        return f"setpoint for {self.asset_id} from {dutch_time(self.starts_at)}"
