import uuid
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Mod

from aggregator.core.ptu import dutch_time
from bidding.models.announcements import Announcement
from bidding.models.directions import Direction


class Bid(models.Model):
    """Power offered for every PTU of a window at a price, and what became of it."""

    class Status(models.TextChoices):
        PROPOSED = "proposed", "Waits for approval"
        REFUSED = "refused", "Refused by an operator"
        LAPSED = "lapsed", "Not approved in time"
        APPROVED = "approved", "Approved, being sent"
        SOUGHT = "sought", "Sent without an answer, being looked for"
        SUBMITTED = "submitted", "On the exchange"
        CLEARED = "cleared", "Cleared in full"
        PARTLY_CLEARED = "partly_cleared", "Cleared in part"
        NOT_CLEARED = "not_cleared", "Not cleared"
        WITHDRAWN = "withdrawn", "Withdrawn"
        FAILED = "failed", "Not accepted by the exchange"

    ENDED_UNSOLD = (Status.REFUSED, Status.LAPSED, Status.WITHDRAWN, Status.FAILED)
    STANDS_APPROVED = (
        Status.APPROVED,
        Status.SOUGHT,
        Status.SUBMITTED,
        Status.CLEARED,
        Status.PARTLY_CLEARED,
        Status.NOT_CLEARED,
    )

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
    price_parts = models.JSONField(default=dict, help_text="What the price is made of, as it was calculated.")
    reliability = models.DecimalField(max_digits=5, decimal_places=4)
    explanation = models.JSONField(help_text="Why this much: scenarios, reliability curve, what limits it.")
    capacity_w = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="What would have been held, replayed with what cars did; empty until then."
    )
    status = models.CharField(max_length=14, choices=Status.choices)
    cleared_power_w = models.PositiveBigIntegerField(default=0)
    cleared_price_eur_per_mwh = models.DecimalField(
        max_digits=16, decimal_places=8, null=True, blank=True, help_text="The mean of what cleared in parts."
    )
    exchange_order_id = models.CharField(max_length=64, blank=True)
    order_version = models.PositiveIntegerField(default=0, help_text="Of the newest state the exchange told.")
    is_locked = models.BooleanField(default=False, help_text="Held by the exchange while it clears.")
    placed_at = models.DateTimeField(null=True, blank=True, help_text="When the exchange confirmed it.")
    withdrawal_asked_at = models.DateTimeField(null=True, blank=True)
    status_reason = models.TextField(blank=True)
    contract_id = models.CharField(max_length=64, blank=True, help_text="Of the contract whose duty it answers.")
    people_needed = models.PositiveSmallIntegerField(
        default=0, help_text="How many different people must stand behind it before it goes out."
    )
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who made it by hand; empty when it was sized.",
    )
    first_approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    second_approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
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
                condition=~Q(status__in=["refused", "lapsed", "withdrawn", "failed"]),
                name="one_living_bid_per_announcement_and_ean",
            ),
            models.CheckConstraint(condition=Q(people_needed__lte=2), name="bid_needs_at_most_two_people"),
            models.CheckConstraint(
                condition=Q(second_approver__isnull=True)
                | (Q(first_approver__isnull=False) & ~Q(second_approver=F("first_approver"))),
                name="bid_approvers_are_different_people",
                violation_error_message="The same person cannot approve a bid twice. Ask a colleague.",
            ),
            models.CheckConstraint(
                condition=Q(people_needed__lt=2)
                | Q(proposed_by__isnull=True)
                | Q(first_approver__isnull=True)
                | ~Q(first_approver=F("proposed_by")),
                name="large_bid_is_not_approved_by_its_maker",
                violation_error_message="Whoever made a bid of this size cannot approve it. Ask a colleague.",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "sought", "submitted", "cleared", "partly_cleared", "not_cleared"])
                | Q(people_needed=0)
                | Q(people_needed=1, first_approver__isnull=False)
                | Q(people_needed=2, first_approver__isnull=False, proposed_by__isnull=False)
                | Q(people_needed=2, second_approver__isnull=False),
                name="bid_goes_out_with_enough_people_behind_it",
                violation_error_message="This bid needs another person's approval before it goes out.",
            ),
        ]

    def __str__(self) -> str:
        what = f"bid of {self.power_w // 1000} kW for {self.aggregation_ean_id} from {dutch_time(self.starts_at)}"
        return f"{what}, {self.get_status_display().lower()}"

    @property
    def paid_eur_per_mwh(self) -> Decimal:
        """What is paid: the price of clearing, or as bid where the market named none."""
        cleared = self.cleared_price_eur_per_mwh
        return self.price_eur_per_mwh if cleared is None else cleared


class NoBid(models.Model):
    """Why an announcement got no bid from a group; every announcement gets a bid or this."""

    announcement = models.ForeignKey(Announcement, on_delete=models.PROTECT, related_name="no_bids")
    aggregation_ean = models.ForeignKey("assets.AggregationEan", on_delete=models.PROTECT, related_name="no_bids")
    reason = models.TextField()
    contract_id = models.CharField(max_length=64, blank=True, help_text="Of the contract whose duty this answers.")
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


class OrderChange(models.Model):
    """A change of a bid's order that was asked of the exchange, and its answer."""

    class Status(models.TextChoices):
        ASKED = "asked", "Asked"
        DONE = "done", "Done"
        REFUSED = "refused", "Not done"

    bid = models.ForeignKey(Bid, on_delete=models.PROTECT, related_name="changes")
    power_w = models.PositiveBigIntegerField()
    price_eur_per_mwh = models.DecimalField(max_digits=10, decimal_places=2)
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.ASKED)
    reason = models.TextField(help_text="Why it was asked.")
    answer = models.TextField(blank=True, help_text="Why it was not done.")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["bid"], condition=Q(status="asked"), name="one_change_of_an_order_at_a_time"
            ),
            models.CheckConstraint(condition=Q(power_w__gt=0), name="order_change_has_power"),
        ]

    def __str__(self) -> str:
        return f"change to {self.power_w // 1000} kW at € {self.price_eur_per_mwh}: {self.get_status_display().lower()}"


class SurplusOrder(models.Model):
    """An order in the book beside the one that its bid has: it is taken out, and what it cleared is for people."""

    bid = models.ForeignKey(Bid, on_delete=models.PROTECT, related_name="surplus_orders")
    order_id = models.CharField(max_length=64)
    found_at = models.DateTimeField()
    cleared_power_w = models.PositiveBigIntegerField(default=0)
    is_final = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bid", "order_id"], name="surplus_order_once")]

    def __str__(self) -> str:
        return f"surplus order {self.order_id} of {self.bid}"
