"""How cold it is outside: measured or forecast, as it was known from a moment on. Rows are added, never changed."""

import pgtrigger
from django.db import models


class OutdoorTemperature(models.Model):
    """The temperature of an hour as it was known from a moment on; a newer forecast or a measurement is a new row."""

    starts_at = models.DateTimeField()
    celsius = models.DecimalField(max_digits=4, decimal_places=1)
    known_at = models.DateTimeField()
    source = models.CharField(max_length=120, help_text="Where it comes from, such as a file's name.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["starts_at", "known_at"], name="one_temperature_per_hour_and_moment")
        ]
        triggers = [pgtrigger.Protect(name="temperature_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.celsius} °C from {self.starts_at:%Y-%m-%d %H:%M} UTC"
