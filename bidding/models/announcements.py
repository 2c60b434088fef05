from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from bidding.models.directions import Direction


class Announcement(models.Model):
    """A grid operator's call for redispatch, as it was known at a moment. A change is a new row."""

    external_id = models.CharField(max_length=64)
    revision = models.PositiveIntegerField(help_text="Counts what we saw of it, from 1.")
    known_at = models.DateTimeField()
    congestion_area = models.ForeignKey(
        "assets.CongestionArea",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="announcements",
        help_text="The area of ours whose postcodes it names; empty when none does.",
    )
    direction = models.CharField(max_length=8, choices=Direction.choices, help_text="What helps inside the area.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    required_power_w = ArrayField(models.BigIntegerField(), help_text="Wanted in each PTU of the period.")
    is_mandatory = models.BooleanField(default=False)
    is_open = models.BooleanField(default=True)
    document = models.JSONField(help_text="As received.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["external_id", "revision"], name="announcement_revision_once"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="announcement_ends_after_it_starts"),
        ]

    def __str__(self) -> str:
        return f"announcement {self.external_id} revision {self.revision}"
