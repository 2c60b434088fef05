"""The exchange's order book for GOPACS orders."""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from mock_gopacs.models.announcements import Clearing
from mock_gopacs.models.market import Participant


class Side(models.TextChoices):
    """What an order does on the energy market."""

    BUY = "BUY"
    SELL = "SELL"


class Order(models.Model):
    """An order: so many MW over the whole of its period, for one EAN."""

    class Status(models.TextChoices):
        SCHEDULED = "SCHEDULED"  # a foreign order that the scenario has not placed yet
        OPEN = "OPEN"
        PARTLY_CLEARED = "PARTLY_CLEARED"
        CLEARED = "CLEARED"
        CANCELLED = "CANCELLED"
        EXPIRED = "EXPIRED"

    LIVE = (Status.OPEN, Status.PARTLY_CLEARED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="orders")
    side = models.CharField(max_length=4, choices=Side)
    ean = models.CharField(max_length=18)
    quantity_mw = models.DecimalField(max_digits=5, decimal_places=1)
    cleared_mw = models.DecimalField(max_digits=5, decimal_places=1, default=Decimal(0))
    price_eur_per_mwh = models.DecimalField(max_digits=8, decimal_places=2)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    market_based = models.BooleanField()
    facility_type = models.CharField(max_length=10, null=True)  # noqa: DJ001 - absent on the wire is not empty text
    contract_id = models.CharField(max_length=64, null=True)  # noqa: DJ001 - same
    usage_fraction = models.DecimalField(max_digits=5, decimal_places=4, null=True)
    meta_data = models.JSONField(null=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.OPEN)
    is_locked = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=0)
    placed_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity_mw__gt=0), name="order_has_volume"),
            models.CheckConstraint(
                condition=Q(cleared_mw__gte=0, cleared_mw__lte=F("quantity_mw")), name="order_cleared_within_quantity"
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="order_ends_after_start"),
        ]
        indexes = [
            models.Index(fields=["status", "expires_at"], name="order_due_idx"),
            models.Index(fields=["participant", "placed_at"], name="order_participant_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity_mw} MW {self.ean}"

    @property
    def is_live(self) -> bool:
        """Whether it can still be cleared, changed or withdrawn."""
        return self.status in self.LIVE

    @property
    def remaining_mw(self) -> Decimal:
        """What of it is not cleared."""
        return self.quantity_mw - self.cleared_mw


class Fill(models.Model):
    """What one clearing took of an order, paid at the order's own price."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    clearing = models.ForeignKey(Clearing, on_delete=models.CASCADE, related_name="fills")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="fills")
    quantity_mw = models.DecimalField(max_digits=5, decimal_places=1)
    price_eur_per_mwh = models.DecimalField(max_digits=8, decimal_places=2)
    cleared_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["clearing", "order"], name="fill_once_per_clearing"),
            models.CheckConstraint(condition=Q(quantity_mw__gt=0), name="fill_has_volume"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity_mw} MW of {self.order_id}"


class OrderEvent(models.Model):
    """One change of an order, as it stood afterwards."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="events")
    version = models.PositiveIntegerField()
    event = models.CharField(max_length=20)
    at = models.DateTimeField()
    status = models.CharField(max_length=20)
    quantity_mw = models.DecimalField(max_digits=5, decimal_places=1)
    price_eur_per_mwh = models.DecimalField(max_digits=8, decimal_places=2)
    cleared_mw = models.DecimalField(max_digits=5, decimal_places=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "version"], name="order_event_once_per_version")]

    def __str__(self) -> str:
        return f"{self.event} of {self.order_id}"
