import pgtrigger
from django.conf import settings
from django.db import models

from aggregator.core.ptu import dutch_time


class AuditEvent(models.Model):
    """Who did what to what, and why. Rows are only ever added; the database refuses to change or delete them."""

    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False
    )
    actor_name = models.CharField(max_length=150, help_text="Kept when the user goes.")
    action = models.CharField(max_length=120, help_text="Reverse domain name with its outcome, bidding.bid.submitted.")
    subject_type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=60)
    reason = models.TextField(blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["subject_type", "subject_id", "at"], name="audit_subject")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{dutch_time(self.at)} {self.actor_name} {self.action} {self.subject_type} {self.subject_id}"
