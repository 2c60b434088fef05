import pgtrigger
from django.db import models
from django.db.models import Q

from aggregator.core.fields import Ean18Field
from aggregator.core.ptu import dutch_time
from assets.validation import kinds

EAN_OR_EMPTY = r"^([0-9]{18})?$"
CONNECTION_IS_NO_EAN = (
    "A connection is named by its EAN of 18 digits. Compare it with the grid operator's contract and give all digits."
)


class AssetKind(models.TextChoices):
    """What a steerable unit is; it decides its physics."""

    CHARGER = "charger", "Charger"
    V2G_CHARGER = "v2g_charger", "V2G charger"
    BUS_CHARGER = "bus_charger", "Bus charger"
    BATTERY = "battery", "Stationary battery"
    HEAT_PUMP = "heat_pump", "Heat pump with buffer"


class Asset(models.Model):
    """One unit that can be steered, seen at its grid side.

    Power and energy are positive for consumption; limits are per direction and never negative.
    """

    class Category(models.TextChoices):
        PUBLIC = "public", "Public"
        HOME = "home", "Home"
        WORKPLACE = "workplace", "Workplace"
        SHARED_CAR = "shared_car", "Shared car"
        DEPOT = "depot", "Depot"
        HEAT = "heat", "Heat"

    class Pausing(models.TextChoices):
        UNKNOWN = "unknown", "Not known"
        CAN_PAUSE = "can_pause", "Can pause"
        CANNOT_PAUSE = "cannot_pause", "Must keep its minimum while charging"

    partner = models.ForeignKey("assets.Partner", on_delete=models.PROTECT, related_name="assets")
    external_id = models.CharField(max_length=64, help_text="The partner's own name for it.")
    kind = models.CharField(max_length=12, choices=AssetKind.choices)
    category = models.CharField(max_length=12, choices=Category.choices)
    connection_ean = Ean18Field(blank=True, help_text="EAN of the connection it sits behind, where known.")
    max_import_w = models.PositiveBigIntegerField()
    max_export_w = models.PositiveBigIntegerField(default=0)
    min_import_w = models.PositiveBigIntegerField(
        default=0, help_text="Least power while running, such as 1380 W for 6 A on one phase."
    )
    pausing = models.CharField(max_length=12, choices=Pausing.choices, default=Pausing.UNKNOWN)
    capacity_wh = models.PositiveBigIntegerField(null=True, blank=True, help_text="Storage, electrical or thermal.")
    min_level_wh = models.PositiveBigIntegerField(default=0, help_text="Never empty the storage below this.")
    round_trip_efficiency = models.DecimalField(max_digits=4, decimal_places=3, default=1)
    is_active = models.BooleanField(default=True)
    registered_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["partner", "external_id"], name="asset_external_id_once_per_partner"),
            models.CheckConstraint(
                condition=Q(connection_ean__regex=EAN_OR_EMPTY),
                name="asset_connection_is_18_digits",
                violation_error_message=CONNECTION_IS_NO_EAN,
            ),
            models.CheckConstraint(
                condition=Q(min_import_w__lte=models.F("max_import_w")),
                name="asset_min_import_within_max",
                violation_error_message=kinds.MIN_ABOVE_MAX,
            ),
            models.CheckConstraint(
                condition=Q(round_trip_efficiency__gt=0, round_trip_efficiency__lte=1),
                name="asset_efficiency_is_a_share",
                violation_error_message='The round-trip efficiency is a share above 0 and at most 1: 92 % is "0.92".',
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["battery", "heat_pump"]) | Q(capacity_wh__isnull=False),
                name="asset_storage_has_capacity",
                violation_error_message=kinds.STORAGE_WITHOUT_CAPACITY,
            ),
            models.CheckConstraint(
                condition=Q(max_export_w=0) | Q(kind__in=["v2g_charger", "battery"]),
                name="asset_export_only_from_storage",
                violation_error_message=kinds.FEED_IN_WITHOUT_STORAGE,
            ),
        ]
        # What was measured refers to it for ever: an asset that is gone is set inactive.
        triggers = [pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.external_id}"


class AssetState(models.Model):
    """The newest state an asset reported."""

    asset = models.OneToOneField(Asset, on_delete=models.CASCADE, primary_key=True, related_name="state")
    at = models.DateTimeField()
    power_w = models.BigIntegerField(help_text="Positive takes from the grid.")
    level_wh = models.BigIntegerField(null=True, blank=True, help_text="Energy in the storage, where known.")
    soc_percent = models.DecimalField(
        max_digits=4, decimal_places=1, null=True, blank=True, help_text="State of charge, where that is what is known."
    )
    is_plugged_in = models.BooleanField(null=True, blank=True)
    declared_departure_at = models.DateTimeField(null=True, blank=True, help_text="As the driver said.")
    declared_energy_wh = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="What the driver still wants by then."
    )
    is_available = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(soc_percent__isnull=True) | Q(soc_percent__gte=0, soc_percent__lte=100),
                name="state_of_charge_is_a_percentage",
            )
        ]

    def __str__(self) -> str:
        return f"state of {self.asset_id} at {dutch_time(self.at)}"
