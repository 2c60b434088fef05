import pgtrigger
from django.conf import settings
from django.db import models


class Partner(models.Model):
    """A charge point operator, depot or heat-pump park that lets its assets be steered."""

    name = models.CharField(max_length=120, unique=True)
    application = models.OneToOneField(
        settings.OAUTH2_PROVIDER_APPLICATION_MODEL,
        on_delete=models.PROTECT,
        related_name="partner",
        help_text="Its API credentials.",
    )
    callback_url = models.URLField(
        blank=True, help_text="Where setpoints are pushed. Empty: the partner fetches them from the feed."
    )
    callback_secret = models.CharField(max_length=64, help_text="Signs what is pushed (HMAC-SHA256).")
    retiring_callback_secret = models.CharField(max_length=64, blank=True, help_text="Signs beside the new one.")
    retires_at = models.DateTimeField(null=True, blank=True, help_text="Until when the retiring secret signs too.")
    divides_itself = models.BooleanField(
        default=False, help_text="It is told the power of its part of a group, and divides that over its assets."
    )
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="How often it may call; empty: as often as everybody."
    )
    is_sandbox = models.BooleanField(
        default=False, help_text="For trying out: its assets never reach a market. Chosen once."
    )
    is_active = models.BooleanField(default=True)
    is_stopped = models.BooleanField(default=False, help_text="Kill switch: nothing is sent to it while set.")
    created_at = models.DateTimeField()

    class Meta:
        permissions = [("stop_partner", "Can stop and resume partner")]
        triggers = [pgtrigger.ReadOnly(name="sandbox_for_ever", fields=["is_sandbox"])]

    def __str__(self) -> str:
        return self.name
