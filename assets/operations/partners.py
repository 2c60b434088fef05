"""Partners come, are stopped, and go on."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Greatest, Least
from oauth2_provider.generators import generate_client_secret
from oauth2_provider.models import get_application_model

from aggregator.core import audit
from aggregator.core.models import OutboxMessage
from assets.control.channel import SETPOINTS_CHANNEL, conversation_with
from assets.control.webhooks import new_secret
from assets.models import AnsweredRequest, Partner, Setpoint
from assets.ocpi.commands import clear_profiles
from assets.operations.sandbox import open_sandbox

logger = logging.getLogger(__name__)

SECRETS_OVERLAP = timedelta(hours=24)
"""How long a replaced secret goes on signing beside the new one, for the partner to change over."""


class PartnerExists(ValueError):
    """A partner of this name is already registered."""


class PartnerUnknown(LookupError):
    """No partner of this name is registered."""


class NotAllStopped(RuntimeError):
    """Some partners could not be stopped; all others are."""


class ReasonMissing(ValueError):
    """An act that needs a reason was given none."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a new partner needs to call us and to check our calls; shown once, never again."""

    client_id: str
    client_secret: str
    callback_secret: str


@transaction.atomic
def register_partner(
    *,
    name: str,
    now: datetime,
    callback_url: str = "",
    is_sandbox: bool = False,
    actor: AbstractBaseUser | None = None,
) -> tuple[Partner, Credentials]:
    """Register a partner with API credentials of its own; raise `PartnerExists` when the name is taken.

    A sandbox partner gets a group of its own, which its assets join by themselves and which no market ever sees.
    """
    if Partner.objects.filter(name=name).exists():
        raise PartnerExists(f"A partner named {name!r} is already registered. Choose another name, or use that one.")
    secret = generate_client_secret()
    application_class = get_application_model()
    application = application_class.objects.create(
        name=name,
        client_type=application_class.CLIENT_CONFIDENTIAL,
        authorization_grant_type=application_class.GRANT_CLIENT_CREDENTIALS,
        client_secret=secret,
    )
    partner = Partner(
        name=name,
        application=application,
        callback_url=callback_url,
        callback_secret=new_secret(),
        is_sandbox=is_sandbox,
        created_at=now,
    )
    partner.full_clean()
    partner.save()
    audit.record(
        now=now,
        action="assets.partner.registered",
        subject=partner,
        actor=actor,
        after={"name": name, "callback_url": callback_url, "is_sandbox": is_sandbox},
    )
    if is_sandbox:
        open_sandbox(partner=partner, now=now, actor=actor)
    return partner, Credentials(application.client_id, secret, partner.callback_secret)


@transaction.atomic
def stop_partner(*, partner_id: int, reason: str, now: datetime, actor: AbstractBaseUser | None = None) -> Partner:
    """Send nothing more to a partner, and withdraw what it was told for times to come, also for after it resumes.

    What was not delivered is void: nobody can send it again by hand either.
    What it has already runs out by itself; over OCPI, where that can be called back, its sessions are set free.
    """
    partner = _switch(partner_id=partner_id, is_stopped=True, reason=reason, now=now, actor=actor)
    undelivered = OutboxMessage.objects.filter(
        channel=SETPOINTS_CHANNEL, conversation=conversation_with(partner_id), delivered_at=None
    )
    undelivered.filter(dead_at=None).update(dead_at=now, last_error=f"The partner was stopped: {reason}")
    # A deadline lies after its message was written, which may have been this very moment.
    void_from = Greatest(Value(now), F("created_at") + timedelta(microseconds=1), output_field=DateTimeField())
    undelivered.filter(void_from=None).update(void_from=void_from, deadline_at=Least("deadline_at", void_from))
    # Commands before their setpoints, as whoever takes in an answer locks them.
    clear_profiles(partner_id=partner_id, reason=f"The partner was stopped: {reason}", now=now)
    Setpoint.objects.filter(batch__partner=partner, ends_at__gt=now, withdrawn_at=None).update(withdrawn_at=now)
    return partner


def stop_all_partners(*, reason: str, now: datetime, actor: AbstractBaseUser | None = None) -> int:
    """Stop every partner that is not stopped yet, each in a transaction of its own; return how many.

    One that cannot be stopped keeps no other from it: after the others, raises `NotAllStopped` with its name.
    """
    _require(reason)
    running = list(Partner.objects.filter(is_stopped=False).order_by("id"))
    failed = []
    for partner in running:
        try:
            stop_partner(partner_id=partner.pk, reason=reason, now=now, actor=actor)
        except Exception:  # whatever it was: the partners behind this one must be stopped
            logger.exception("%s was not stopped", partner)
            failed.append(partner.name)
    if failed:
        raise NotAllStopped(
            f"{len(running) - len(failed)} partners are stopped, not stopped: {', '.join(failed)}. "
            "The causes are in the log; stop these again, or close their access."
        )
    return len(running)


@transaction.atomic
def resume_partner(*, partner_id: int, reason: str, now: datetime, actor: AbstractBaseUser | None = None) -> Partner:
    """Let setpoints go to a stopped partner again; what was withdrawn stays withdrawn."""
    return _switch(partner_id=partner_id, is_stopped=False, reason=reason, now=now, actor=actor)


@transaction.atomic
def rotate_callback_secret(
    *, partner_id: int, reason: str, now: datetime, actor: AbstractBaseUser | None = None
) -> tuple[Partner, str]:
    """Replace what signs a partner's setpoints; return the new secret, which is shown once.

    For `SECRETS_OVERLAP` both sign. Rotating again meanwhile ends the oldest at once.
    """
    _require(reason)
    partner = Partner.objects.select_for_update(no_key=True).get(pk=partner_id)
    partner.retiring_callback_secret, partner.callback_secret = partner.callback_secret, new_secret()
    partner.retires_at = now + SECRETS_OVERLAP
    partner.save(update_fields=["retiring_callback_secret", "callback_secret", "retires_at"])
    audit.record(
        now=now,
        action="assets.partner.callback_secret_rotated",
        subject=partner,
        actor=actor,
        reason=reason,
        after={"retires_at": partner.retires_at.isoformat()},
    )
    return partner, partner.callback_secret


def forget_answers(*, now: datetime, kept_for: timedelta) -> int:
    """Forget the answers to requests older than `kept_for`; return how many. Their keys are free again."""
    forgotten, _ = AnsweredRequest.objects.filter(answered_at__lt=now - kept_for).delete()
    return forgotten


def partner_named(name: str) -> Partner:
    """Return the partner; raise `PartnerUnknown` naming the ones there are."""
    try:
        return Partner.objects.get(name=name)
    except Partner.DoesNotExist as error:
        known = ", ".join(Partner.objects.order_by("name").values_list("name", flat=True)) or "none yet"
        raise PartnerUnknown(f"No partner is named {name!r}. Registered: {known}.") from error


def _switch(
    *, partner_id: int, is_stopped: bool, reason: str, now: datetime, actor: AbstractBaseUser | None
) -> Partner:
    _require(reason)
    partner = Partner.objects.select_for_update(no_key=True).get(pk=partner_id)
    before = partner.is_stopped
    partner.is_stopped = is_stopped
    partner.save(update_fields=["is_stopped"])
    audit.record(
        now=now,
        action=f"assets.partner.{'stopped' if is_stopped else 'resumed'}",
        subject=partner,
        actor=actor,
        reason=reason,
        before={"is_stopped": before},
        after={"is_stopped": is_stopped},
    )
    return partner


def _require(reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing("Say why: the audit trail keeps the reason.")
