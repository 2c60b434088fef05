"""Who we exchange UFTP messages with, and the keys on both sides."""

from django.db import models
from django.db.models import F, Q

from aggregator.core.ptu import dutch_time
from bidding.markets.uftp.vocabulary import Role


class UftpParticipant(models.Model):
    """A counterparty in one role. What a person entered wins over what the address book says."""

    class Source(models.TextChoices):
        BY_HAND = "by_hand", "Entered by hand"
        ADDRESS_BOOK = "address_book", "From the address book"
        DNS = "dns", "From DNS"

    class Version(models.TextChoices):
        V3_0_0 = "3.0.0"
        V3_1_0 = "3.1.0"

    domain = models.CharField(max_length=120)
    role = models.CharField(max_length=3, choices=[(role.value, role.value) for role in Role])
    endpoint = models.URLField(
        max_length=500, blank=True, help_text="Where its messages go; empty: through the broker of this service."
    )
    version = models.CharField(
        max_length=5, choices=Version.choices, default=Version.V3_0_0, help_text="The UFTP version agreed with it."
    )
    is_barred = models.BooleanField(default=False, help_text="Its messages are answered with “Barred Sender”.")
    source = models.CharField(max_length=12, choices=Source.choices)
    fetched_at = models.DateTimeField(
        null=True, blank=True, help_text="When the address book or DNS last answered for it."
    )

    class Meta:
        verbose_name = "UFTP participant"
        constraints = [
            models.UniqueConstraint(fields=["domain", "role"], name="one_uftp_participant_per_domain_and_role"),
            models.CheckConstraint(
                condition=Q(source="by_hand") | Q(fetched_at__isnull=False),
                name="uftp_participant_fetched_or_by_hand",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.domain}"


class UftpPublicKey(models.Model):
    """A key that a participant signs with. While it rotates, the old and the new one both hold."""

    participant = models.ForeignKey(UftpParticipant, on_delete=models.CASCADE, related_name="public_keys")
    text = models.CharField(max_length=100, help_text="Base64 of 32 bytes.")
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "UFTP public key"
        constraints = [
            models.UniqueConstraint(fields=["participant", "text"], name="uftp_public_key_once"),
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gt=F("valid_from")),
                name="uftp_public_key_ends_after_it_starts",
            ),
        ]

    def __str__(self) -> str:
        return f"key of {self.participant_id} from {dutch_time(self.valid_from)}"


class OwnKey(models.Model):
    """A key of ours. The newest whose time has come signs; others know it before, so that nothing is refused."""

    public_key = models.CharField(max_length=100, unique=True)
    sealed_private_key = models.BinaryField(help_text="Encrypted under SECRET_KEY.")
    signs_from = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "own UFTP key"

    def __str__(self) -> str:
        return f"own key from {dutch_time(self.signs_from)}"
