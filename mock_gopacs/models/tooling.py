"""What makes the market a test tool: pushes to participants, fault switches and the request log."""

import uuid

from django.db import models

from mock_gopacs.models.market import Participant


class Notification(models.Model):
    """A push about an order; its key is the sequence, and its bytes never change between attempts."""

    notification_id = models.UUIDField(default=uuid.uuid4, unique=True)
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="notifications")
    event = models.CharField(max_length=20)
    order_document = models.JSONField()
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(help_text="Real time, not the market's.")
    delivered_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["participant", "id"],
                condition=models.Q(delivered_at__isnull=True),
                name="notification_undelivered_idx",
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} #{self.pk}"


class Fault(models.Model):
    """A misbehaviour that was asked for, for the next requests that match."""

    class Kind(models.TextChoices):
        DELAY = "delay"
        SLOW_BODY = "slow_body"
        HUGE_BODY = "huge_body"
        STATUS = "status"
        STATUS_AFTER = "status_after"
        RESET = "reset"
        REPLY_LOST = "reply_lost"

    kind = models.CharField(max_length=20, choices=Kind)
    method = models.CharField(max_length=10, blank=True)
    path_prefix = models.TextField(blank=True)
    seconds = models.FloatField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    retry_after = models.PositiveIntegerField(null=True)
    remaining = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.kind} {self.method} {self.path_prefix} ({self.remaining} left)"


class LogEntry(models.Model):
    """One request and its answer, as seen on the wire; keys are never kept."""

    received_at = models.DateTimeField(help_text="Market time.")
    method = models.CharField(max_length=10)
    path = models.TextField()
    query = models.TextField(blank=True)
    participant_name = models.TextField(blank=True)
    request_body = models.TextField(blank=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="Empty when the connection was closed.")
    response_body = models.TextField(blank=True)
    fault = models.CharField(max_length=20, blank=True)
    duration_ms = models.FloatField()

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"
