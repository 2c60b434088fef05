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
    is_active = models.BooleanField(default=True)
    is_stopped = models.BooleanField(default=False, help_text="Kill switch: nothing is sent to it while set.")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
