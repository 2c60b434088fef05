"""TenneT's aFRR market: its terms, who bids, what was sent, the demand, and what was measured.

Setpoints, prices and settlements are not kept: they follow from these rows.
"""

from datetime import timedelta

from django.db import models
from django.db.models import F, Q

from mock_gopacs.tennet.compliance import MODELS
from mock_gopacs.tennet.ladder import Direction

_DIRECTIONS = [(direction.value, direction.name.lower()) for direction in Direction]


class AfrrTerms(models.Model):
    """The one row of the scenario's terms; what each means stands at `mock_gopacs.tennet.terms.Terms`."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    party_id = models.CharField(max_length=13)
    gate_lead = models.DurationField()
    minimum_bid_mw = models.PositiveIntegerField()
    lowest_price_eur_per_mwh = models.DecimalField(max_digits=9, decimal_places=2)
    highest_price_eur_per_mwh = models.DecimalField(max_digits=9, decimal_places=2)
    is_ramped = models.BooleanField()
    full_activation = models.DurationField()
    lost_after = models.DurationField(null=True)
    stale_after = models.DurationField()
    settles_after = models.DurationField()
    compliance_model = models.CharField(max_length=20, choices=[(name, name) for name in MODELS])
    penalty_eur_per_mwh = models.DecimalField(max_digits=9, decimal_places=2)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="afrr_terms_are_one_row"),
            models.CheckConstraint(
                condition=Q(highest_price_eur_per_mwh__gte=F("lowest_price_eur_per_mwh")), name="afrr_prices_in_order"
            ),
            models.CheckConstraint(condition=Q(full_activation__gt=timedelta(0)), name="afrr_ramp_takes_time"),
            models.CheckConstraint(
                condition=Q(lost_after=None) | Q(lost_after__gt=timedelta(0)), name="afrr_connection_lost_after_a_while"
            ),
        ]

    def __str__(self) -> str:
        return f"terms of {self.party_id}"


class Bsp(models.Model):
    """A balancing service provider with its one pool; those without a key are played by the scenario."""

    party_id = models.CharField(max_length=13, primary_key=True)
    name = models.TextField(unique=True)
    # Empty text would collide with itself under the unique constraint; null does not.
    api_key_sha256 = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 - see above
    prequalified_up_mw = models.PositiveIntegerField()
    prequalified_down_mw = models.PositiveIntegerField()
    contracted_up_mw = models.PositiveIntegerField(default=0)
    contracted_down_mw = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    contracted_up_mw__lte=F("prequalified_up_mw"), contracted_down_mw__lte=F("prequalified_down_mw")
                ),
                name="bsp_contracted_within_prequalified",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.party_id})"


class ReceivedBidDocument(models.Model):
    """A document as it came, with the acknowledgement that it got and gets again."""

    bsp = models.ForeignKey(Bsp, on_delete=models.CASCADE, related_name="documents")
    mrid = models.CharField(max_length=60)
    body = models.BinaryField()
    acknowledgement = models.BinaryField()
    is_accepted = models.BooleanField()
    received_at = models.DateTimeField(help_text="Market time.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bsp", "mrid"], name="bid_document_received_once")]

    def __str__(self) -> str:
        return f"{self.mrid} of {self.bsp_id}"


class EnergyBid(models.Model):
    """A bid for one PTU; nothing changes it after the gate, so the rows of a closed PTU are its merit order."""

    bsp = models.ForeignKey(Bsp, on_delete=models.CASCADE, related_name="bids")
    mrid = models.CharField(max_length=60)
    starts_at = models.DateTimeField()
    direction = models.CharField(max_length=3, choices=_DIRECTIONS)
    quantity_mw = models.PositiveIntegerField(help_text="0 when it is cancelled.")
    price_eur_per_mwh = models.DecimalField(max_digits=9, decimal_places=2)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bsp", "mrid"], name="energy_bid_named_once")]
        indexes = [models.Index(fields=["starts_at", "direction"], name="energy_bid_ladder_idx")]

    def __str__(self) -> str:
        return f"{self.mrid} of {self.bsp_id}"


class DemandChange(models.Model):
    """How much TenneT wants from the start of a cycle on, signed: above zero is up."""

    at = models.DateTimeField(primary_key=True)
    mw = models.DecimalField(max_digits=8, decimal_places=3)

    def __str__(self) -> str:
        return f"{self.mw} MW from {self.at:%H:%M:%S}Z"


class PoolMeasurement(models.Model):
    """A measurement of a pool in MW, injection positive, as it was sent."""

    bsp = models.ForeignKey(Bsp, on_delete=models.CASCADE, related_name="measurements")
    at = models.DateTimeField()
    received_at = models.DateTimeField(help_text="Market time.")
    reference_mw = models.DecimalField(max_digits=10, decimal_places=6)
    measured_mw = models.DecimalField(max_digits=10, decimal_places=6)
    available_up_mw = models.DecimalField(max_digits=10, decimal_places=6)
    available_down_mw = models.DecimalField(max_digits=10, decimal_places=6)
    is_in_control = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bsp", "at"], name="pool_measured_once")]
        indexes = [models.Index(fields=["bsp", "received_at"], name="pool_heard_idx")]

    def __str__(self) -> str:
        return f"{self.bsp_id} at {self.at:%H:%M:%S}Z"


class AfrrFault(models.Model):
    """A misbehaviour of TenneT's real-time signal or settlement that was asked for, for a while of market time."""

    class Kind(models.TextChoices):
        FROZEN = "frozen"
        INVALID = "invalid"
        NOT_A_NUMBER = "not_a_number"
        FULL_VOLUME = "full_volume"
        SETTLEMENT_LATE = "settlement_late"

    kind = models.CharField(max_length=20, choices=Kind)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="afrr_fault_lasts")]

    def __str__(self) -> str:
        return f"{self.kind} to {self.ends_at:%H:%M:%S}Z"
