from django.db import models
from django.db.models import Q

from aggregator.core.ptu import dutch_time
from bidding.models.activations import Activation


class Cause(models.TextChoices):
    """Why power that was counted on is missing."""

    REJECTED = "rejected", "Refused by the partner"
    UNDELIVERED = "undelivered", "Setpoint could not be delivered"
    IGNORED = "ignored", "Accepted and not followed"
    SILENT = "silent", "Asset no longer reports"
    LEFT = "left", "Session ended"
    LIMITED = "limited", "Held back by a steering limit"
    CAPPED = "capped", "Capped by an operator"
    HELD = "held", "Held as it was by an operator"
    STOPPED = "stopped", "Stopped by an operator"
    ASKED_NOW = "asked_now", "Asked a moment before, not planned yet"
    NOT_ENOUGH = "not_enough", "Nothing more could be moved"


class Duty(models.Model):
    """What one asset is to do for an activation now, and how it keeps to it: the memory of the closed loop."""

    activation = models.ForeignKey(Activation, on_delete=models.CASCADE, related_name="duties")
    asset = models.ForeignKey("assets.Asset", on_delete=models.PROTECT, related_name="duties")
    asked_w = models.BigIntegerField(help_text="The setpoint in force.")
    alone_w = models.BigIntegerField(help_text="The setpoint that would leave it to its own ways.")
    usual_w = models.BigIntegerField(help_text="What it is expected to take without the order.")
    judged_from = models.DateTimeField(help_text="Earlier samples cannot show a response yet.")
    counted_from = models.DateTimeField(
        null=True, blank=True, help_text="Start of the newest plan in effect that counts on it."
    )
    next_asked_w = models.BigIntegerField(null=True, blank=True, help_text="The setpoint planned after it.")
    next_usual_w = models.BigIntegerField(null=True, blank=True)
    next_from = models.DateTimeField(null=True, blank=True, help_text="When that takes its place.")
    sampled_at = models.DateTimeField(null=True, blank=True, help_text="Of the newest sample that was judged.")
    measured_w = models.BigIntegerField(null=True, blank=True)
    misses = models.PositiveSmallIntegerField(default=0, help_text="Samples in a row in which it was off.")
    failures = models.PositiveSmallIntegerField(default=0, help_text="Times it was found not to do its part.")
    failed_at = models.DateTimeField(null=True, blank=True, help_text="Since when it does not do its part.")
    cause = models.CharField(max_length=11, choices=Cause.choices, blank=True)

    class Meta:
        verbose_name_plural = "duties"
        constraints = [
            models.UniqueConstraint(fields=["activation", "asset"], name="one_duty_per_activation_and_asset"),
            models.CheckConstraint(condition=Q(failed_at__isnull=True) | ~Q(cause=""), name="failed_duty_has_a_cause"),
            models.CheckConstraint(
                condition=Q(next_asked_w__isnull=True, next_usual_w__isnull=True, next_from__isnull=True)
                | Q(next_asked_w__isnull=False, next_usual_w__isnull=False, next_from__isnull=False),
                name="next_duty_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"duty of {self.asset_id} in {self.activation_id}"


class ActivationSample(models.Model):
    """Delivered against ordered at one moment, from the newest states of the assets."""

    activation = models.ForeignKey(Activation, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    ordered_w = models.BigIntegerField(help_text="Below zero: what may be caught up under a limit.")
    asked_w = models.BigIntegerField(help_text="What would be delivered if every asset did its part.")
    delivered_w = models.BigIntegerField(help_text="Expected consumption minus measured, towards the order.")
    seen = models.PositiveIntegerField(help_text="Assets with a recent state.")
    members = models.PositiveIntegerField(help_text="Assets with a part in it.")
    lost_by_cause = models.JSONField(default=dict, help_text="What each cause takes away at this moment [W].")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["activation", "at"], name="one_sample_per_activation_and_moment")
        ]

    def __str__(self) -> str:
        return f"{self.delivered_w} of {self.ordered_w} W at {dutch_time(self.at)}"


class DispatchAlarm(models.Model):
    """Something that an operator should know while an activation runs; open until it is over."""

    class Kind(models.TextChoices):
        BELOW_ORDER = "below_order", "Delivers less than ordered"
        NOT_FOLLOWING = "not_following", "Assets do not follow"
        PARTNER_SILENT = "partner_silent", "A partner no longer reports"
        LIMITED = "limited", "Held back by a steering limit"
        NOT_ENOUGH = "not_enough", "Not enough left to move"
        OPPOSED = "opposed", "Another order runs the other way"

    activation = models.ForeignKey(Activation, on_delete=models.CASCADE, related_name="alarms")
    kind = models.CharField(max_length=14, choices=Kind.choices)
    message = models.TextField()
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["activation", "kind"], condition=Q(cleared_at__isnull=True), name="one_open_alarm_of_a_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.message}"


class UseCost(models.Model):
    """What a kWh from a kind of asset costs: wear of its battery, and what its owner or driver is paid for it."""

    partner = models.ForeignKey(
        "assets.Partner", null=True, blank=True, on_delete=models.CASCADE, related_name="use_costs"
    )
    asset_kind = models.CharField(max_length=12, help_text="As registered, such as v2g_charger.")
    wear_eur_per_mwh = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    compensation_eur_per_mwh = models.DecimalField(max_digits=8, decimal_places=2, default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "asset_kind"], nulls_distinct=False, name="one_use_cost_per_partner_and_kind"
            ),
            models.CheckConstraint(
                condition=Q(wear_eur_per_mwh__gte=0, compensation_eur_per_mwh__gte=0), name="use_cost_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"cost of using a {self.asset_kind} of partner {self.partner_id or 'any'}"
