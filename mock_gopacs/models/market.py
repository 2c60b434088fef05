"""Who trades, where their connections are, and the market's own row."""

import hashlib
import uuid
from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import Q


class Market(models.Model):
    """The one row every writer locks first, so that the order book changes one step at a time."""

    class AfterChange(models.TextChoices):
        SAME_ID = "same_id"
        NEW_ID = "new_id"
        OLD_ID_GONE = "old_id_gone"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    scenario = models.TextField()
    seed = models.BigIntegerField()
    minimum_dwell = models.DurationField(default=timedelta(0))
    lock_duration = models.DurationField(default=timedelta(minutes=5))
    solver_time_limit_seconds = models.FloatField(default=5.0)
    after_change = models.CharField(
        max_length=11,
        choices=AfterChange,
        default=AfterChange.SAME_ID,
        help_text="Whether a changed order keeps its id; if not, it is cancelled or unknown afterwards.",
    )
    locked_until = models.DateTimeField(null=True)
    token_lifetime = models.DurationField(default=timedelta(minutes=5))
    address_book_v2_status = models.PositiveSmallIntegerField(default=200, help_text="404 or 410 once it is removed.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="market_is_one_row")]

    def __str__(self) -> str:
        return f"market of scenario {self.scenario}"

    @classmethod
    def lock(cls) -> Self:
        """Return the row, held for writing to the end of the transaction; raises `DoesNotExist` without a scenario."""
        rows = cls.objects.select_for_update()
        # A load that this had to wait for has replaced the row; only a second look can see the new one.
        return rows.first() or rows.get()


def fingerprint(key: str) -> str:
    """Return what is kept of an API key."""
    return hashlib.sha256(key.encode()).hexdigest()


class Participant(models.Model):
    """A market party; foreign ones have no keys, the scenario places their orders."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.TextField(unique=True)
    # Empty text would collide with itself under the unique constraint; null does not.
    api_key_sha256 = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 - see above
    gopacs_api_key_sha256 = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 - see above
    webhook_url = models.URLField(blank=True)
    webhook_token = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name


class Registration(models.Model):
    """An EAN registered and approved with GOPACS: it belongs to one participant and lies in one postcode."""

    ean = models.CharField(max_length=18, primary_key=True)
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="registrations")
    postcode = models.CharField(max_length=4)

    def __str__(self) -> str:
        return f"{self.ean} in {self.postcode}"
