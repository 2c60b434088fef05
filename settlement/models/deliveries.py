from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from aggregator.core.ptu import dutch_time


class Delivery(models.Model):
    """One calculation of what an activation delivered. Late data make a new version; nothing is overwritten."""

    activation = models.ForeignKey("bidding.Activation", on_delete=models.PROTECT, related_name="deliveries")
    version = models.PositiveIntegerField()
    baseline_method = models.CharField(max_length=40)
    calculated_at = models.DateTimeField()
    ordered_wh = models.PositiveBigIntegerField()
    delivered_wh = models.BigIntegerField(help_text="Never counted above what was ordered in a PTU.")
    completeness = models.DecimalField(max_digits=5, decimal_places=4, help_text="Meter values received of expected.")
    partner_share = models.DecimalField(
        max_digits=5, decimal_places=4, help_text="Of the group when this was first calculated; later versions keep it."
    )
    estimated_asset_ids = ArrayField(
        models.BigIntegerField(),
        default=list,
        help_text="Assets whose car was still plugged in, or whose meter value is an estimate.",
    )
    confirmed_at = models.DateTimeField(help_text="When the same numbers last came out of everything known.")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["activation", "version"], name="one_delivery_per_activation_version"),
            models.CheckConstraint(
                condition=Q(completeness__gte=0, completeness__lte=1), name="completeness_is_a_share"
            ),
            models.CheckConstraint(
                condition=Q(partner_share__gte=0, partner_share__lte=1), name="delivery_partner_share_is_a_share"
            ),
        ]

    def __str__(self) -> str:
        return f"delivery of {self.activation_id}, version {self.version}"


class DeliveryPtu(models.Model):
    """Ordered, baseline, metered and delivered power of the group in one PTU, and the price of it."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="ptus")
    ptu_start = models.DateTimeField()
    ordered_w = models.PositiveBigIntegerField()
    baseline_w = models.BigIntegerField()
    metered_w = models.BigIntegerField()
    delivered_w = models.BigIntegerField(help_text="Baseline minus metered for reduce, the opposite for increase.")
    missing_asset_ids = ArrayField(
        models.BigIntegerField(),
        default=list,
        help_text="Assets that count on neither side, for want of a meter value or baseline.",
    )
    price_eur_per_mwh = models.DecimalField(
        max_digits=16, decimal_places=8, help_text="What the market pays; below zero, we pay."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "ptu_start"], name="one_delivery_row_per_ptu")]

    def __str__(self) -> str:
        return f"{self.delivered_w} W delivered at {dutch_time(self.ptu_start)}"


class DeliveryShare(models.Model):
    """The part of a PTU's paid energy that one partner's assets delivered."""

    ptu = models.ForeignKey(DeliveryPtu, on_delete=models.CASCADE, related_name="shares")
    partner = models.ForeignKey("assets.Partner", on_delete=models.PROTECT, related_name="delivery_shares")
    paid_wh = models.PositiveBigIntegerField(
        help_text="Over all partners: what was delivered, from 0 to what was ordered."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ptu", "partner"], name="one_share_per_delivery_ptu_and_partner")
        ]

    def __str__(self) -> str:
        return f"{self.paid_wh} Wh of partner {self.partner_id}"
