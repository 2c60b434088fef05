from django.db import models
from django.db.models import F, Q

from aggregator.core.ptu import dutch_time
from assets.validation import kinds


class ChargingSession(models.Model):
    """A car from plug-in to plug-out. What the driver declared is kept apart from what then happened.

    The columns hold what was declared last; a `Declaration` remembers each word with the instant it was told.
    """

    asset = models.ForeignKey("assets.Asset", on_delete=models.PROTECT, related_name="sessions")
    external_id = models.CharField(max_length=64, help_text="The partner's own name for it.")
    plug_in_at = models.DateTimeField()
    plug_out_at = models.DateTimeField(null=True, blank=True, help_text="Empty while plugged in.")
    energy_wh = models.PositiveBigIntegerField(default=0, help_text="Charged so far, at the charger.")
    max_import_w = models.PositiveBigIntegerField(help_text="What car and charger can take together.")
    declared_departure_at = models.DateTimeField(null=True, blank=True)
    declared_energy_wh = models.PositiveBigIntegerField(null=True, blank=True)
    arrival_level_wh = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="In the car's battery at plug-in."
    )
    required_energy_wh = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="What the car could have taken by plug-out; less charged is unserved."
    )
    driver_token = models.CharField(
        max_length=64, blank=True, help_text="Keyed hash of the card; the card is not kept."
    )
    car_model = models.CharField(max_length=64, blank=True, help_text="As the partner names it; empty when not told.")
    known_at = models.DateTimeField(help_text="When this was last reported.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["asset", "external_id"], name="session_external_id_once_per_asset"),
            models.CheckConstraint(
                condition=Q(plug_out_at__isnull=True) | Q(plug_out_at__gt=F("plug_in_at")),
                name="session_ends_after_it_starts",
                violation_error_message=kinds.SESSION_ENDS_BEFORE_START,
            ),
            models.CheckConstraint(
                condition=Q(max_import_w__gt=0),
                name="session_has_power",
                violation_error_message=kinds.SESSION_WITHOUT_POWER,
            ),
            models.UniqueConstraint(
                fields=["asset"], condition=Q(plug_out_at__isnull=True), name="one_open_session_per_asset"
            ),
        ]
        indexes = [
            models.Index(fields=["asset", "plug_in_at"], name="session_by_asset_and_time"),
            models.Index(
                fields=["plug_in_at"],
                condition=~Q(driver_token="")
                | Q(declared_departure_at__isnull=False)
                | Q(declared_energy_wh__isnull=False)
                | Q(arrival_level_wh__isnull=False),
                name="session_with_driver_data",
            ),
        ]

    def __str__(self) -> str:
        return f"session {self.external_id}"


class Declaration(models.Model):
    """What a driver had declared from an instant on: the past is seen by it as it was known then, and no better."""

    session = models.ForeignKey(ChargingSession, on_delete=models.CASCADE, related_name="declarations", db_index=False)
    told_at = models.DateTimeField(help_text="When we heard it, or would have heard it of a car that had left by then.")
    departure_at = models.DateTimeField(null=True)
    energy_wh = models.PositiveBigIntegerField(null=True, help_text="Counted from plug-in.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "told_at"], name="declarations_of_a_session_one_at_a_time"),
            models.CheckConstraint(
                condition=Q(departure_at__isnull=False) | Q(energy_wh__isnull=False),
                name="a_declaration_says_something",
            ),
        ]
        indexes = [models.Index(fields=["told_at"], name="declaration_by_age")]

    def __str__(self) -> str:
        return f"declaration of {dutch_time(self.told_at)} about session {self.session_id}"
