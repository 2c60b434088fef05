from django.db import models
from django.db.models import Q

from aggregator.core.ptu import dutch_time


class PauseTest(models.Model):
    """A short pause of one car, to learn whether it charges on afterwards: the evidence that beliefs are made of."""

    class Outcome(models.TextChoices):
        WOKE = "woke", "Charged on"
        FAILED = "failed", "Did not charge again"
        NOTHING = "nothing", "Showed nothing"

    asset = models.ForeignKey("assets.Asset", on_delete=models.PROTECT, related_name="pause_tests")
    car = models.CharField(max_length=64, help_text="Keyed hash of the driver's card: a driver stands for a car.")
    car_power_w = models.PositiveBigIntegerField(help_text="What it takes at most, which tells models apart.")
    starts_at = models.DateTimeField(help_text="Of the quarter hour in which it is paused.")
    outcome = models.CharField(max_length=7, choices=Outcome.choices, blank=True)
    judged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["asset", "starts_at"], name="one_pause_test_per_asset_and_ptu"),
            models.CheckConstraint(
                condition=Q(outcome="", judged_at__isnull=True) | (~Q(outcome="") & Q(judged_at__isnull=False)),
                name="judged_pause_test_has_an_outcome",
            ),
            models.CheckConstraint(condition=~Q(car=""), name="pause_test_is_of_a_known_car"),
        ]
        indexes = [models.Index(fields=["car"], name="pause_test_by_car")]

    def __str__(self) -> str:
        return f"pause test at {dutch_time(self.starts_at)}"
