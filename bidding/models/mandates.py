"""How far a group's bids may go without people, and when it must bid."""

from datetime import datetime

import pgtrigger
from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value

from aggregator.core.ptu import MARKET_ZONE, dutch_time


class Mandate(models.Model):
    """Limits of a group's bids from a moment on; beyond them a bid waits for one person, or for two.

    The one in force is the one that began last. Without any, no bid of an automatic group goes out by itself.
    """

    aggregation_ean = models.ForeignKey("assets.AggregationEan", on_delete=models.PROTECT, related_name="mandates")
    active_from = models.DateTimeField(help_text="Until the next mandate of the group begins.")
    automatic_up_to_w = models.PositiveBigIntegerField(
        default=0, help_text="A larger bid waits for a person; 0: every bid does."
    )
    automatic_up_to_eur = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        default=0,
        help_text="What the living bids of a delivery day may be worth together, this one included.",
    )
    automatic_from = models.TimeField(
        null=True, blank=True, help_text="Dutch time from which bids go out by themselves; empty: at any hour."
    )
    automatic_until = models.TimeField(null=True, blank=True, help_text="Up to this time, not including.")
    two_people_above_w = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="A larger bid needs two people; empty: never for its power."
    )
    two_people_above_eur = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="A bid worth more needs two people; empty: never for its worth.",
    )
    entered_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    entered_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["aggregation_ean", "active_from"], name="one_mandate_per_moment"),
            models.CheckConstraint(
                condition=Q(active_from__gte=F("entered_at")),
                name="mandate_changes_no_past",
                violation_error_message="A mandate cannot begin before now: bids went out under the one in force then.",
            ),
            models.CheckConstraint(
                condition=Q(automatic_up_to_eur__gte=0)
                & (Q(two_people_above_eur__isnull=True) | Q(two_people_above_eur__gte=0)),
                name="mandate_limits_are_not_negative",
                violation_error_message="A limit in euros is at least 0.",
            ),
            models.CheckConstraint(
                condition=Q(automatic_from__isnull=True, automatic_until__isnull=True)
                | (
                    Q(automatic_from__isnull=False, automatic_until__isnull=False)
                    & ~Q(automatic_from=F("automatic_until"))
                ),
                name="mandate_hours_have_both_ends",
                violation_error_message="Give both ends of the hours, and not the same; or neither for any hour.",
            ),
        ]
        triggers = [pgtrigger.Protect(name="mandate_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"mandate of {self.aggregation_ean_id} from {dutch_time(self.active_from)}"


class BidDutyContract(models.Model):
    """A mandatory bidding contract: every announcement that the EAN can help with gets a bid, or a recorded reason."""

    contract_id = models.CharField(max_length=64, help_text="As it must stand on the order.")
    aggregation_ean = models.ForeignKey("assets.AggregationEan", on_delete=models.PROTECT, related_name="bid_duties")
    # Whether orders under bid duty are market-based is in no public text. The exchange asks for a facility type if and
    # only if they are not, so one field says both.
    facility_type = models.CharField(
        max_length=10, blank=True, help_text="Such as B01, where its orders are not market-based; empty: they are."
    )
    active_from = models.DateField()
    active_until = models.DateField(null=True, blank=True, help_text="The last day of delivery.")

    class Meta:
        verbose_name = "bid duty"
        verbose_name_plural = "bid duties"
        constraints = [
            models.CheckConstraint(
                condition=Q(active_until__isnull=True) | Q(active_until__gte=F("active_from")),
                name="bid_duty_ends_after_it_starts",
                violation_error_message="The contract's last day lies before its first.",
            ),
            ExclusionConstraint(
                name="one_bid_duty_per_ean_at_a_time",
                expressions=[
                    ("aggregation_ean", RangeOperators.EQUAL),
                    (
                        Func(
                            F("active_from"),
                            F("active_until"),
                            Value("[]"),
                            function="daterange",
                            output_field=DateRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                violation_error_message="The group has another bidding contract on some of these days. End that first.",
            ),
        ]

    def __str__(self) -> str:
        return f"bid duty {self.contract_id} of {self.aggregation_ean_id}"

    def covers(self, instant: datetime) -> bool:
        """Tell whether a delivery at `instant` falls on one of its days, in Dutch time."""
        day = instant.astimezone(MARKET_ZONE).date()
        return self.active_from <= day and (self.active_until is None or day <= self.active_until)
