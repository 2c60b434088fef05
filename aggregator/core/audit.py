"""Writing the audit trail."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Model

from aggregator.core.models import AuditEvent

SYSTEM = "system"


def record(
    *,
    now: datetime,
    action: str,
    subject: Model,
    actor: AbstractBaseUser | None = None,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEvent:
    """Add one event, in the transaction of the act it records. Without an actor, the system acted."""
    return AuditEvent.objects.create(
        at=now,
        actor_id=actor.pk if actor else None,
        actor_name=actor.get_username() if actor else SYSTEM,
        action=action,
        subject_type=subject._meta.label_lower,  # noqa: SLF001 - Django's documented API
        subject_id=str(subject.pk),
        reason=reason,
        before=before,
        after=after,
    )
