"""Congestion problems and the moments at which the book is cleared for them."""

import uuid
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from mock_gopacs.order_form import GATE_BEFORE_START


class Congestion(models.TextChoices):
    """What causes the problem; it decides which side is wanted inside the area."""

    OFF_TAKE = "OFF_TAKE"
    FEED_IN = "FEED_IN"


class Announcement(models.Model):
    """A grid operator's market announcement: so many MW per PTU are wanted in an area."""

    class State(models.TextChoices):
        SCHEDULED = "SCHEDULED"
        OPEN = "ANNOUNCEMENT_OPEN"
        CLOSED = "ANNOUNCEMENT_CLOSED"
        WITHDRAWN = "ANNOUNCEMENT_WITHDRAWN"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    problem_id = models.UUIDField(default=uuid.uuid4)
    state = models.CharField(max_length=30, choices=State, default=State.SCHEDULED)
    compliance_type = models.CharField(max_length=20, default="VOLUNTARY")
    organisation_name = models.TextField()
    message = models.TextField(blank=True)
    area_name = models.TextField()
    congested_postcodes = ArrayField(models.CharField(max_length=4))
    congestion = models.CharField(max_length=10, choices=Congestion)
    publish_at = models.DateTimeField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    required_mw = ArrayField(models.DecimalField(max_digits=7, decimal_places=3))
    remaining_mw = ArrayField(models.DecimalField(max_digits=7, decimal_places=3))
    maximum_spread_eur_per_mwh = models.DecimalField(max_digits=8, decimal_places=2)
    updated_at = models.DateTimeField()
    is_listed = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="announcement_ends_after_start"),
            models.CheckConstraint(condition=Q(publish_at__lt=F("starts_at")), name="announcement_published_before"),
        ]

    def __str__(self) -> str:
        return f"{self.area_name} {self.starts_at:%Y-%m-%d %H:%M}Z"

    @property
    def bids_until(self) -> datetime:
        """The end of the bid validity period."""
        return self.starts_at - GATE_BEFORE_START


class Clearing(models.Model):
    """One run of the clearing for an announcement: locks the book, solves it, unlocks it."""

    class State(models.TextChoices):
        PENDING = "PENDING"
        LOCKED = "LOCKED"
        CLEARED = "CLEARED"
        MISSED = "MISSED"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    announcement = models.ForeignKey(Announcement, on_delete=models.CASCADE, related_name="clearings")
    locks_at = models.DateTimeField()
    clears_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    solver_status = models.CharField(max_length=20, blank=True)
    cleared_mwh = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    shortage_mwh = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    spread_eur = models.DecimalField(max_digits=14, decimal_places=4, null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(clears_at__gte=F("locks_at")), name="clearing_locks_before_it_clears"),
        ]

    def __str__(self) -> str:
        return f"{self.announcement} cleared at {self.clears_at:%H:%M}Z"


class ForcedOutcome(models.Model):
    """The scenario's will for an EAN: this share of its orders is cleared, whatever prices say."""

    ean = models.CharField(max_length=18, primary_key=True)
    cleared_share = models.DecimalField(max_digits=4, decimal_places=3)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(cleared_share__gte=0, cleared_share__lte=1), name="forced_outcome_is_a_share"
            )
        ]

    def __str__(self) -> str:
        return f"{self.ean}: {self.cleared_share}"
