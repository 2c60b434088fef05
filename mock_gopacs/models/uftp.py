"""Called contracts over UFTP: who takes part with which keys, what may be called, each call, and every message."""

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from bidding.markets.uftp.powers import PowerMeaning
from bidding.markets.uftp.vocabulary import Role
from mock_gopacs.models.announcements import Congestion


class UftpParticipant(models.Model):
    """A domain in the address book: an aggregator with an endpoint, or a grid operator that this market plays."""

    domain = models.CharField(max_length=255, primary_key=True)
    role = models.CharField(max_length=3, choices=[(role.value, role.value) for role in (Role.AGR, Role.DSO)])
    endpoint = models.TextField(blank=True)
    # Empty text would collide with itself under the unique constraint; null does not.
    client_id = models.CharField(max_length=255, unique=True, null=True)  # noqa: DJ001 - see above
    client_secret_sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(role=Role.DSO.value) | ~Q(endpoint=""), name="uftp_aggregator_has_endpoint"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.domain} ({self.role})"


class UftpKey(models.Model):
    """A participant's public key, with the private half where this market plays the participant."""

    participant = models.ForeignKey(UftpParticipant, on_delete=models.CASCADE, related_name="keys")
    public_key = models.TextField()
    private_key = models.TextField(blank=True)
    withdrawn_at = models.DateTimeField(null=True, help_text="Market time; signatures made with it fail from then on.")

    def __str__(self) -> str:
        return f"key {self.pk} of {self.participant_id}"


class AccessToken(models.Model):
    """A bearer token that was given out; only its fingerprint is kept."""

    token_sha256 = models.CharField(max_length=64, primary_key=True)
    participant = models.ForeignKey(UftpParticipant, on_delete=models.CASCADE, related_name="tokens")
    expires_at = models.DateTimeField(help_text="Real time, not the market's.")

    def __str__(self) -> str:
        return f"token of {self.participant_id} to {self.expires_at:%H:%M:%S}"


class CallContract(models.Model):
    """What a grid operator may call: so much power at one EAN."""

    contract_id = models.CharField(max_length=64, primary_key=True)
    ean = models.CharField(max_length=18)
    dso = models.ForeignKey(UftpParticipant, on_delete=models.CASCADE, related_name="contracts_as_dso")
    aggregator = models.ForeignKey(UftpParticipant, on_delete=models.CASCADE, related_name="contracts_as_aggregator")
    version = models.CharField(max_length=10)
    congestion = models.CharField(max_length=10, choices=Congestion)
    power_meaning = models.CharField(max_length=5, choices=[(item.value, item.value) for item in PowerMeaning])
    power_w = models.PositiveBigIntegerField(help_text="Without sign: the limit that is set, or the deviation.")
    price_eur = models.DecimalField(max_digits=10, decimal_places=2, help_text="The highest price of an option.")

    def __str__(self) -> str:
        return self.contract_id

    @property
    def congestion_point(self) -> str:
        """The EAN as UFTP writes it."""
        return f"ean.{self.ean}"


class Call(models.Model):
    """One call of a contract; its key is the conversation. What happens next is read from its state and moments."""

    class State(models.TextChoices):
        SCHEDULED = "SCHEDULED"
        REQUESTED = "REQUESTED"  # the request is in the outbox or further
        AWAITING_OFFER = "AWAITING_OFFER"  # the aggregator accepted the request
        DECLINED = "DECLINED"  # the aggregator rejected the request
        OFFERED = "OFFERED"  # an offer was accepted; the order comes at `orders_at`
        ORDERED = "ORDERED"
        CONFIRMED = "CONFIRMED"  # the aggregator accepted the order: it must deliver
        REFUSED = "REFUSED"  # the aggregator rejected the order
        REVOKED = "REVOKED"  # a revocation crossed the order
        LAPSED = "LAPSED"  # nothing that could be ordered came in time
        MISSED = "MISSED"  # the call itself came after its window had begun

    conversation_id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    contract = models.ForeignKey(CallContract, on_delete=models.CASCADE, related_name="calls")
    called_at = models.DateTimeField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    power_w = models.PositiveBigIntegerField()
    offer_window = models.DurationField(default=timedelta(hours=1))
    order_delay = models.DurationField(default=timedelta(0))
    state = models.CharField(max_length=20, choices=State, default=State.SCHEDULED)
    offers_until = models.DateTimeField(null=True)
    orders_at = models.DateTimeField(null=True)
    request_message_id = models.UUIDField(null=True)
    offer_message_id = models.UUIDField(null=True)
    order_message_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="call_ends_after_start"),
        ]
        indexes = [models.Index(fields=["state", "called_at"], name="call_due_idx")]

    def __str__(self) -> str:
        return f"{self.contract_id} {self.starts_at:%Y-%m-%d %H:%M}Z"

    def expiry(self, now: datetime) -> datetime:
        """Return until when offers are welcome if the request goes out now: never into the window itself."""
        return min(now + self.offer_window, self.starts_at)


class UftpMessage(models.Model):
    """A message that came in or goes out, with its exact bytes; outgoing ones are sent in the order of their keys."""

    class Direction(models.TextChoices):
        INCOMING = "in"
        OUTGOING = "out"

    direction = models.CharField(max_length=3, choices=Direction)
    aggregator = models.ForeignKey(UftpParticipant, on_delete=models.CASCADE, related_name="messages")
    dso = models.ForeignKey(UftpParticipant, on_delete=models.CASCADE, related_name="+")
    element = models.CharField(max_length=40)
    message_id = models.UUIDField()
    conversation_id = models.UUIDField()
    body = models.BinaryField(help_text="The signed envelope, as it travels.")
    document = models.BinaryField(help_text="The message inside.")
    stored_at = models.DateTimeField(help_text="Market time.")
    reasons = ArrayField(models.TextField(), default=list, help_text="Why it was not accepted (incoming).")
    fault = models.CharField(max_length=40, blank=True, help_text="The fault switch that made it (outgoing).")
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, help_text="Real time; empty when there is nothing to send.")
    status = models.PositiveSmallIntegerField(null=True, help_text="The last HTTP status it met (outgoing).")
    last_error = models.TextField(blank=True)
    delivered_at = models.DateTimeField(null=True, help_text="Real time.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["aggregator", "message_id"], condition=Q(direction="in"), name="uftp_message_received_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["conversation_id", "id"],
                condition=Q(next_attempt_at__isnull=False),
                name="uftp_message_unsent_idx",
            ),
            models.Index(fields=["message_id"], name="uftp_message_id_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.direction} {self.element} {self.message_id}"

    @property
    def state(self) -> str:
        """What became of it, in words."""
        if self.direction == self.Direction.INCOMING:
            return "rejected" if self.reasons else "accepted"
        if self.next_attempt_at is not None:
            return "waiting"
        return "delivered" if self.delivered_at else "given up"


class UftpFault(models.Model):
    """A misbehaviour of the grid operator that was asked for, for the next message it fits."""

    kind = models.CharField(max_length=40)
    element = models.CharField(max_length=40, blank=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.element}"
