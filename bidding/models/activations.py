from django.db import models
from django.db.models import F, Q

from aggregator.core.ptu import dutch_time
from bidding.models.bids import Bid
from bidding.models.contracts import ContractCall
from bidding.models.directions import Direction


class Activation(models.Model):
    """A duty to deliver: a cleared bid, a call under a contract, or balancing energy as it is called.

    Balancing runs as long as bids of the group for it stand side by side, a Dutch day at most: each bid that joins
    makes it longer. What is ordered in a PTU then follows TenneT's setpoint.
    """

    class Status(models.TextChoices):
        ORDERED = "ordered", "Waits for a plan"
        PLANNED = "planned", "Planned, not started"
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished, waits for meter values"
        SETTLED = "settled", "Settled"

    reference = models.CharField(max_length=64, unique=True, help_text="The order's reference on the market.")
    bid = models.OneToOneField(Bid, null=True, blank=True, on_delete=models.PROTECT, related_name="activation")
    contract_call = models.OneToOneField(
        ContractCall, null=True, blank=True, on_delete=models.PROTECT, related_name="activation"
    )
    is_balancing = models.BooleanField(default=False)
    aggregation_ean = models.ForeignKey("assets.AggregationEan", on_delete=models.PROTECT, related_name="activations")
    direction = models.CharField(max_length=8, choices=Direction.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ORDERED)
    planned_until = models.DateTimeField(null=True, blank=True, help_text="Start of the last PTU that was planned.")
    replanned_at = models.DateTimeField(null=True, blank=True, help_text="When the closed loop last changed the plan.")
    hold_reason = models.TextField(
        blank=True, help_text="Why an operator holds it as it is; empty while it is steered."
    )
    cap_w = models.PositiveBigIntegerField(null=True, blank=True, help_text="An operator lets it deliver no more.")
    stop_reason = models.TextField(blank=True, help_text="Why an operator stopped it; empty while it may run.")
    aim_share = models.FloatField(
        default=1.0,
        help_text="Of balancing energy: what plans aim for, as a share of what is ordered, by what the group brings.",
    )
    shortfall_note = models.TextField(blank=True, help_text="What was foreseen or found to be missing, and why.")
    is_kept = models.BooleanField(
        null=True, blank=True, help_text="Whether every PTU got all that was ordered, by the newest settlement."
    )
    ordered_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="activation_ends_after_it_starts"),
            models.CheckConstraint(
                condition=Q(bid__isnull=False, contract_call__isnull=True, is_balancing=False)
                | Q(bid__isnull=True, contract_call__isnull=False, is_balancing=False)
                | Q(bid__isnull=True, contract_call__isnull=True, is_balancing=True),
                name="activation_of_one_order",
            ),
            models.CheckConstraint(
                condition=Q(aim_share=1.0) | Q(is_balancing=True, aim_share__gte=0.5, aim_share__lte=2.0),
                name="only_balancing_is_corrected_within_bounds",
            ),
        ]

    def __str__(self) -> str:
        return f"activation {self.reference} of {self.aggregation_ean_id} from {dutch_time(self.starts_at)}"


class ActivationPtu(models.Model):
    """What is ordered in one PTU."""

    activation = models.ForeignKey(Activation, on_delete=models.CASCADE, related_name="ptus")
    ptu_start = models.DateTimeField()
    ordered_w = models.PositiveBigIntegerField(
        help_text="Under a limit: what it comes to against the consumption expected when the PTU was planned. Of "
        "balancing energy: what is asked now, and once the PTU is over the mean of what was."
    )
    room_w = models.BigIntegerField(
        default=0,
        help_text="Under a limit: asked beside the order, for cars that are still to come. Below zero: what may be "
        "taken beyond what is expected, by cars that catch up.",
    )
    planned_w = models.BigIntegerField(
        null=True, blank=True, help_text="What the newest plan brings if every asset does its part."
    )
    limited_w = models.PositiveBigIntegerField(default=0, help_text="What steering limits took out of that plan.")
    kept_w = models.PositiveBigIntegerField(
        default=0, help_text="What steering limits keep in that plan beyond what it aims for."
    )
    planned_for_w = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="What was ordered when that plan was made."
    )
    part_w = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Of balancing energy: what the group has in the pool's bid, so the most."
    )
    max_import_w = models.PositiveBigIntegerField(null=True, blank=True, help_text="Limit of a call, if it set one.")
    max_export_w = models.PositiveBigIntegerField(null=True, blank=True, help_text="Limit of a call, if it set one.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["activation", "ptu_start"], name="one_order_per_activation_ptu")]

    def __str__(self) -> str:
        return f"{self.ordered_w} W at {dutch_time(self.ptu_start)}"

    @property
    def is_called(self) -> bool:
        """Whether anything is asked in it: a power or a limit. In the gaps of a call nothing is, so none is missed."""
        return self.ordered_w > 0 or self.max_import_w is not None or self.max_export_w is not None

    @property
    def least_w(self) -> int:
        """The least to be moved: what is ordered; below zero where a limit leaves room to catch up."""
        return self.ordered_w + min(self.room_w, 0)
