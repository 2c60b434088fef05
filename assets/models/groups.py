from decimal import Decimal

import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q

from aggregator.core.fields import Ean13Field, Ean18Field
from assets.validation import kinds


class CongestionArea(models.Model):
    """A part of the grid that can be congested, as its operator announces it."""

    code = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    grid_operator = Ean13Field()
    postcodes = ArrayField(models.CharField(max_length=6), help_text="Four-digit postcodes in the area, such as 3511.")

    def __str__(self) -> str:
        return self.name


class AggregationEan(models.Model):
    """The code under which a group of small assets is offered as one.

    No public text fixes what GOPACS requires of it; product limits and reliability are therefore data of the group.
    """

    class Autonomy(models.TextChoices):
        MANUAL = "manual", "An operator makes each bid"
        APPROVE = "approve", "An operator approves each bid"
        AUTOMATIC = "automatic", "Bids go out by themselves"

    ean = Ean18Field(primary_key=True)
    name = models.CharField(max_length=120)
    congestion_area = models.ForeignKey(CongestionArea, on_delete=models.PROTECT, related_name="aggregation_eans")
    brp = Ean13Field(help_text="Balance responsible party of the group's connections.")
    autonomy = models.CharField(max_length=10, choices=Autonomy.choices, default=Autonomy.APPROVE)
    reliability = models.DecimalField(
        max_digits=5, decimal_places=4, default=Decimal("0.95"), help_text="Probability that a bid holds in every PTU."
    )
    min_bid_w = models.PositiveBigIntegerField(default=100_000)
    bid_step_w = models.PositiveBigIntegerField(default=100_000)
    max_bid_w = models.PositiveBigIntegerField(default=60_000_000, help_text="More is never offered by itself.")
    price_eur_per_mwh = models.DecimalField(
        max_digits=10, decimal_places=2, default=Decimal("180.00"), help_text="Asked per MWh of redispatch."
    )
    partner_share = models.DecimalField(
        max_digits=5,
        decimal_places=4,
        default=Decimal("0.7000"),
        help_text="Part of the revenue that goes to partners.",
    )
    is_sandbox = models.BooleanField(default=False, help_text="For trying out: never offered. Chosen once.")
    is_sized_for_balancing = models.BooleanField(
        default=False,
        help_text="Size each quarter hour what it could offer as balancing energy (aFRR). Nothing is offered by it.",
    )
    offers_balancing = models.BooleanField(
        default=False,
        help_text="Offer what was sized for balancing, together with other groups, within this group's mandate.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ean__regex=r"^[0-9]{18}$"), name="aggregation_ean_is_18_digits"),
            models.CheckConstraint(
                condition=Q(reliability__gt=0, reliability__lt=1), name="reliability_is_a_probability"
            ),
            models.CheckConstraint(
                condition=Q(partner_share__gte=0, partner_share__lte=1), name="partner_share_is_a_share"
            ),
            models.CheckConstraint(
                condition=Q(bid_step_w__gt=0) & Q(min_bid_w__gte=F("bid_step_w")), name="bid_step_positive"
            ),
            models.CheckConstraint(
                condition=Q(is_sandbox=False) | Q(is_sized_for_balancing=False),
                name="no_sandbox_is_sized_for_balancing",
                violation_error_message="A sandbox group is for trying out; it is not sized for balancing energy.",
            ),
            models.CheckConstraint(
                condition=Q(is_sized_for_balancing=True) | Q(offers_balancing=False),
                name="what_is_offered_for_balancing_is_sized",
                violation_error_message="Only what is sized can be offered: let the group be sized for balancing too.",
            ),
        ]
        triggers = [pgtrigger.ReadOnly(name="sandbox_group_for_ever", fields=["is_sandbox"])]

    def __str__(self) -> str:
        return f"{self.name} ({self.ean})"


_SAME_SIDE = """
    IF (SELECT partner.is_sandbox FROM assets_asset AS asset JOIN assets_partner AS partner
          ON partner.id = asset.partner_id WHERE asset.id = NEW.asset_id)
       <> (SELECT is_sandbox FROM assets_aggregationean WHERE ean = NEW.aggregation_ean_id) THEN
        RAISE integrity_constraint_violation USING MESSAGE =
            'Sandbox assets belong to sandbox groups, and others to others: sandbox data never reach a market.';
    END IF;
    RETURN NEW;
"""


class Membership(models.Model):
    """An asset belongs to one aggregation EAN at a time; when it did is never forgotten."""

    asset = models.ForeignKey("assets.Asset", on_delete=models.PROTECT, related_name="memberships")
    aggregation_ean = models.ForeignKey(AggregationEan, on_delete=models.PROTECT, related_name="memberships")
    period = DateTimeRangeField(help_text="From, up to but not including; open-ended while it lasts.")

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="asset_in_one_group_at_a_time",
                expressions=[("asset", RangeOperators.EQUAL), ("period", RangeOperators.OVERLAPS)],
                violation_error_message=kinds.MEMBERSHIP_OVERLAPS,
            ),
            models.CheckConstraint(condition=~Q(period__isempty=True), name="membership_period_not_empty"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="sandbox_stays_apart",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                func=_SAME_SIDE,
            )
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} in {self.aggregation_ean_id}"
