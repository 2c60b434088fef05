"""What was measured. Every table here is partitioned by month (see the migrations), so its key is the natural one.

Millions of rows a day come in by COPY. A foreign key would look each of them up on its own and cost more than the
insert itself; instead a trigger looks up the distinct assets of a whole statement, and assets are never deleted.
"""

import pgtrigger
from django.db import models
from django.db.models import Q

from aggregator.core.ptu import dutch_time

_KNOWN_ASSETS = """
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT asset_id FROM new_values) AS named
        LEFT JOIN assets_asset AS asset ON asset.id = named.asset_id
        WHERE asset.id IS NULL
    ) THEN
        RAISE foreign_key_violation USING MESSAGE = 'A measured value names an asset that is not registered.';
    END IF;
    RETURN NULL;
"""


def known_assets(table: str) -> pgtrigger.Trigger:
    """Return the trigger that stands in for a foreign key to the assets."""
    return pgtrigger.Trigger(
        name=f"{table}_of_known_assets",
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=pgtrigger.Insert,
        referencing=pgtrigger.Referencing(new="new_values"),  # type: ignore[no-untyped-call] # the library has no types
        func=_KNOWN_ASSETS,
    )


class MeterInterval(models.Model):
    """Energy of one asset in one PTU. A correction is a new revision; nothing is overwritten.

    What we derive ourselves, where a partner delivers nothing, has revisions below 0: whatever the partner says counts
    instead, from its revision 0 on.
    """

    class Quality(models.TextChoices):
        MEASURED = "measured", "Measured"
        ESTIMATED = "estimated", "Estimated"

    pk = models.CompositePrimaryKey("asset_id", "starts_at", "revision")
    asset = models.ForeignKey(
        "assets.Asset", on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="meter_intervals"
    )
    starts_at = models.DateTimeField(help_text="Start of the PTU.")
    revision = models.IntegerField(default=0, help_text="The highest counts; below 0: derived, not delivered.")
    import_wh = models.BigIntegerField()
    export_wh = models.BigIntegerField(default=0)
    quality = models.CharField(max_length=9, choices=Quality.choices, default=Quality.MEASURED)
    known_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(import_wh__gte=0, export_wh__gte=0), name="meter_registers_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(revision__gte=0) | Q(quality="estimated"), name="derived_values_are_estimates"
            ),
        ]
        triggers = [known_assets("meter_values")]

    def __str__(self) -> str:
        return f"meter interval {self.asset_id} {dutch_time(self.starts_at)} revision {self.revision}"


class MinuteReading(models.Model):
    """Mean power of one asset in one minute: how it responds, long before its meter values are in."""

    pk = models.CompositePrimaryKey("asset_id", "starts_at", "revision")
    asset = models.ForeignKey(
        "assets.Asset", on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="minute_readings"
    )
    starts_at = models.DateTimeField(help_text="Start of the minute.")
    revision = models.PositiveIntegerField(default=0)
    power_w = models.BigIntegerField(help_text="Positive takes from the grid.")
    known_at = models.DateTimeField()

    class Meta:
        triggers = [known_assets("readings")]

    def __str__(self) -> str:
        return f"{self.power_w} W of {self.asset_id} at {dutch_time(self.starts_at)} revision {self.revision}"


class ReadingQuarter(models.Model):
    """The minute readings of one asset in one PTU, added up; whoever stores readings brings it up to date.

    In watt-minutes, so that nothing is rounded before energy is read out: 60 of them are a watt-hour.
    """

    pk = models.CompositePrimaryKey("asset_id", "starts_at")
    asset = models.ForeignKey(
        "assets.Asset", on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="reading_quarters"
    )
    starts_at = models.DateTimeField(help_text="Start of the PTU.")
    minutes = models.PositiveSmallIntegerField(help_text="Minutes with a reading, of 15.")
    import_wmin = models.BigIntegerField()
    export_wmin = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(minutes__gte=1, minutes__lte=15), name="quarter_has_fifteen_minutes"),
            models.CheckConstraint(
                condition=Q(import_wmin__gte=0, export_wmin__gte=0), name="quarter_energy_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"readings of {self.asset_id} from {dutch_time(self.starts_at)}, {self.minutes} minutes"
