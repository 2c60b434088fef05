"""What the world tells for each period: prices and temperatures. Rows are added, never changed."""

from decimal import Decimal
from typing import ClassVar, Self

import pgtrigger
from django.db import models

from aggregator.core.ptu import dutch_time


class TimedValue(models.Model):
    """One value of a period as it was known from a moment on; a correction, or a newer forecast, is a new row."""

    VALUE: ClassVar[str]
    objects: ClassVar[models.Manager[Self]]

    starts_at = models.DateTimeField()
    known_at = models.DateTimeField()
    source = models.CharField(max_length=120, help_text="Where it comes from, such as a file's name.")

    class Meta:
        abstract = True

    @classmethod
    def rounded(cls, value: Decimal) -> Decimal:
        """Return a value with as many decimals as are kept."""
        field = cls._meta.get_field(cls.VALUE)
        assert isinstance(field, models.DecimalField)  # noqa: S101 - for the type checker
        return value.quantize(Decimal(1).scaleb(-field.decimal_places))


class DayAheadPrice(TimedValue):
    """The day-ahead price of a quarter hour."""

    VALUE = "price_eur_per_mwh"

    price_eur_per_mwh = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["starts_at", "known_at"], name="one_price_per_quarter_and_moment")
        ]
        triggers = [pgtrigger.Protect(name="price_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"€ {self.price_eur_per_mwh} per MWh from {dutch_time(self.starts_at)}"


class OutdoorTemperature(TimedValue):
    """The temperature of an hour, measured or forecast."""

    VALUE = "celsius"

    celsius = models.DecimalField(max_digits=4, decimal_places=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["starts_at", "known_at"], name="one_temperature_per_hour_and_moment")
        ]
        triggers = [pgtrigger.Protect(name="temperature_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.celsius} °C from {dutch_time(self.starts_at)}"
