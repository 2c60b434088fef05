from django.db import models

from bidding.models.participants import UftpParticipant


class UftpMessage(models.Model):
    """A message exchanged with a counterparty: the exact XML that was signed, and what became of it."""

    class Way(models.TextChoices):
        RECEIVED = "received", "Received"
        SENT = "sent", "Sent"

    class Result(models.TextChoices):
        OPEN = "open", "Not answered"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"

    participant = models.ForeignKey(UftpParticipant, on_delete=models.PROTECT, related_name="messages")
    way = models.CharField(max_length=8, choices=Way.choices)
    element = models.CharField(max_length=40, help_text="Which kind of message.")
    message_id = models.CharField(max_length=36)
    conversation_id = models.CharField(max_length=36)
    refers_to = models.CharField(max_length=36, blank=True, help_text="MessageID of the earlier message it is about.")
    contract_id = models.CharField(max_length=120, blank=True)
    period = models.DateField(null=True, blank=True)
    congestion_point = models.CharField(max_length=300, blank=True, help_text="Or the EAN that was metered.")
    revision = models.BigIntegerField(null=True, blank=True)
    document = models.BinaryField(help_text="The XML, byte for byte.")
    result = models.CharField(max_length=8, choices=Result.choices, default=Result.OPEN)
    reasons = models.TextField(blank=True, help_text="Why it was rejected, by whoever received it.")
    at = models.DateTimeField()

    class Meta:
        verbose_name = "UFTP message"
        constraints = [
            models.UniqueConstraint(fields=["way", "participant", "message_id"], name="uftp_message_once"),
        ]
        indexes = [
            models.Index(fields=["participant", "element", "period", "congestion_point"], name="uftp_message_revisions")
        ]

    def __str__(self) -> str:
        return f"{self.element} {self.message_id}"
