from django.db import models
from django.db.models import Q


class CommunicationTest(models.Model):
    """One asset is moved for a few minutes to see that a setpoint reaches it, and how long that takes."""

    setpoint = models.OneToOneField("assets.Setpoint", on_delete=models.PROTECT, related_name="communication_test")
    before_w = models.BigIntegerField(null=True, blank=True, help_text="Power the asset last reported before.")
    moved_at = models.DateTimeField(
        null=True, blank=True, help_text="From when on it was first reported at the power asked."
    )
    moved_w = models.BigIntegerField(null=True, blank=True, help_text="The power it reported then.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(moved_at__isnull=True, moved_w__isnull=True)
                | Q(moved_at__isnull=False, moved_w__isnull=False),
                name="movement_has_its_moment",
            )
        ]
        indexes = [
            models.Index(fields=["setpoint"], name="open_communication_tests", condition=Q(moved_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"communication test {self.pk}"
