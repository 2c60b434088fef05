"""Messages to and from others, kept byte for byte.

An outgoing message is written in the transaction that causes it and sent afterwards from here, the same bytes at
every attempt. An incoming message is stored before it is answered. What has neither been delivered nor given up is
what still has to happen; nothing else needs to be remembered across a crash.
"""

from django.db import models
from django.db.models import F, Func, Q, Value


class OutboxMessage(models.Model):
    """One HTTP request that must reach a counterparty."""

    channel = models.CharField(max_length=40, help_text="Which sender handles it, such as exchange or setpoints.")
    conversation = models.CharField(max_length=120, help_text="Messages of one conversation go out in order.")
    idempotency_key = models.CharField(max_length=120, unique=True)
    method = models.CharField(max_length=6)
    url = models.TextField()
    headers = models.JSONField(default=dict, help_text="Without credentials; the sender adds those at sending.")
    body = models.BinaryField()
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    deadline_at = models.DateTimeField(help_text="After this instant the message is given up.")
    void_from = models.DateTimeField(
        null=True, blank=True, help_text="From this instant on it would be wrong to send it, even by hand."
    )
    counterparty = models.GeneratedField(
        expression=Func(F("url"), Value("^[a-z]+://[^/]+"), function="substring"),
        output_field=models.TextField(),
        db_persist=True,
        help_text="Scheme, host and port of the address.",
    )
    attempts = models.PositiveIntegerField(default=0, help_text="Since it was written, or sent again by a person.")
    resent_at = models.DateTimeField(null=True, blank=True, help_text="When a person last sent it again.")
    delivered_at = models.DateTimeField(null=True, blank=True)
    dead_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(delivered_at__isnull=True) | Q(dead_at__isnull=True), name="outbox_delivered_or_dead"
            ),
            models.CheckConstraint(condition=Q(deadline_at__gt=F("created_at")), name="outbox_deadline_after_creation"),
            models.CheckConstraint(
                condition=Q(void_from__isnull=True) | Q(deadline_at__lte=F("void_from")),
                name="outbox_deadline_before_void",
            ),
        ]
        indexes = [
            models.Index(
                fields=["channel", "next_attempt_at"],
                name="outbox_undelivered",
                condition=Q(delivered_at__isnull=True, dead_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel} message {self.pk} to {self.url}"


class Breaker(models.Model):
    """Failures in a row of one counterparty, and until when it is left alone; no row: it answered last time."""

    counterparty = models.TextField(unique=True, help_text="Scheme, host and port of its address.")
    failures = models.PositiveIntegerField(default=0)
    rests_until = models.DateTimeField(null=True, blank=True, help_text="Nothing is sent before then.")

    class Meta:
        verbose_name = "counterparty in trouble"
        verbose_name_plural = "counterparties in trouble"

    def __str__(self) -> str:
        return f"{self.counterparty}: {self.failures} failures"


class DeliveryAttempt(models.Model):
    """One try at delivering a message, with what came back.

    Where a repeat would do harm it is written down before it is made, so that a sender that dies over it is known to
    have sent.
    """

    message = models.ForeignKey(OutboxMessage, on_delete=models.CASCADE, related_name="delivery_attempts")
    attempted_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: the sender died over it.")
    may_have_arrived = models.BooleanField(
        default=False, help_text="It was sent, a repeat would do harm, and nobody knows whether it was taken."
    )
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    response_body = models.BinaryField(blank=True)
    error = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["message"], name="attempt_may_have_arrived", condition=Q(may_have_arrived=True))
        ]

    def __str__(self) -> str:
        return f"attempt at message {self.message_id}: {self.status_code or self.error}"


class InboxMessage(models.Model):
    """One message received, stored before it was answered; the same id from the same sender is stored once."""

    channel = models.CharField(max_length=40)
    sender = models.CharField(max_length=120)
    message_id = models.CharField(max_length=120)
    body = models.BinaryField()
    body_sha256 = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    failures = models.PositiveIntegerField(default=0, db_default=0, help_text="How often dealing with it failed.")
    next_attempt_at = models.DateTimeField(null=True, blank=True, help_text="After a failure it waits until then.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "sender", "message_id"], name="inbox_message_once"),
        ]
        indexes = [
            models.Index(fields=["channel", "id"], name="inbox_unprocessed", condition=Q(processed_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.channel} message {self.message_id} from {self.sender}"
