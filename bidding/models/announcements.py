from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from bidding.models.directions import Direction


class Announcement(models.Model):
    """A grid operator's call for redispatch, as it was known at a moment. A change is a new row."""

    external_id = models.CharField(max_length=64)
    revision = models.PositiveIntegerField(help_text="Counts what we saw of it, from 1.")
    terms = models.PositiveIntegerField(
        default=1, help_text="Counts the changes that make earlier bids unfit: of period, side or place."
    )
    known_at = models.DateTimeField()
    congestion_area = models.ForeignKey(
        "assets.CongestionArea",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="announcements",
        help_text="The area of ours that shares most postcodes with it; empty when none shares any.",
    )
    postcodes = ArrayField(models.CharField(max_length=4), default=list, help_text="Where the congestion is.")
    helping_eans = ArrayField(
        models.CharField(max_length=18),
        null=True,
        blank=True,
        help_text="Our EANs that GOPACS says help; not known where it was not asked, then postcodes decide.",
    )
    direction = models.CharField(max_length=8, choices=Direction.choices, help_text="What helps inside the area.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    required_power_w = ArrayField(models.BigIntegerField(), help_text="Wanted in each PTU of the period.")
    is_mandatory = models.BooleanField(default=False)
    is_open = models.BooleanField(default=True)
    is_withdrawn = models.BooleanField(default=False, help_text="Taken back by its operator.")
    missing_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when the list of the platform leaves it out, though it lies ahead."
    )
    document = models.JSONField(help_text="As received; empty where it vanished from the list.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["external_id", "revision"], name="announcement_revision_once"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="announcement_ends_after_it_starts"),
            models.CheckConstraint(
                condition=Q(is_open=False) | Q(is_withdrawn=False), name="announcement_open_or_withdrawn"
            ),
        ]

    def __str__(self) -> str:
        return f"announcement {self.external_id} revision {self.revision}"
