from django.db import models
from django.db.models import Q


class MeterInterval(models.Model):
    """Energy of one asset in one PTU. A correction is a new revision; nothing is overwritten.

    The table is partitioned by month of `starts_at` (see the migration), so its key is the natural one.
    """

    class Quality(models.TextChoices):
        MEASURED = "measured", "Measured"
        ESTIMATED = "estimated", "Estimated"

    pk = models.CompositePrimaryKey("asset_id", "starts_at", "revision")
    asset = models.ForeignKey("assets.Asset", on_delete=models.PROTECT, related_name="meter_intervals")
    starts_at = models.DateTimeField(help_text="Start of the PTU.")
    revision = models.PositiveIntegerField(default=0)
    import_wh = models.BigIntegerField()
    export_wh = models.BigIntegerField(default=0)
    quality = models.CharField(max_length=9, choices=Quality.choices, default=Quality.MEASURED)
    known_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(import_wh__gte=0, export_wh__gte=0), name="meter_registers_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"meter interval {self.asset_id} {self.starts_at:%Y-%m-%d %H:%M} revision {self.revision}"
