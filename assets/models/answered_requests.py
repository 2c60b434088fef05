from django.db import models
from django.db.models import Q


class AnsweredRequest(models.Model):
    """A partner's request under an idempotency key, and the answer that every repeat of it gets.

    It is written in the transaction of what the request does: either both are there or neither is.
    """

    partner = models.ForeignKey("assets.Partner", on_delete=models.CASCADE, related_name="answered_requests")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of what was asked.")
    answered_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True, help_text="Empty while the request is at work.")
    content_type = models.CharField(max_length=60)
    answer = models.BinaryField(default=b"", help_text="As JSON; text of the database cannot hold all that JSON can.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["partner", "key"], name="one_answer_per_partner_and_key"),
            models.CheckConstraint(
                condition=Q(status__isnull=True) | Q(status__gte=200, status__lt=500), name="kept_answers_are_final"
            ),
        ]
        indexes = [models.Index(fields=["answered_at"], name="answers_by_age")]

    def __str__(self) -> str:
        return f"answer to {self.key} of partner {self.partner_id}"
