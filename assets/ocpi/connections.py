"""A partner gets an OCPI connection, and new tokens; a platform that leaves is forgotten.

open_connection(*, partner, now, **agreed) -> (OcpiConnection, token)
new_registration_token(*, partner_id, now, actor=None) -> token
close_registration(*, connection_id, now) -> None
parties_of(connection_id) -> {(country_code, party_id)}
"""

from collections.abc import Collection
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from aggregator.core import audit
from assets.models import OcpiConnection, OcpiParty, OcpiToken, Partner, ProfileCommand
from assets.ocpi import tokens
from assets.ocpi.wire import InvalidObject


class NotRegistered(ValueError):
    """The peer is not registered, so it cannot change or end a registration."""


class AlreadyRegistered(ValueError):
    """The peer is registered: it changes its registration instead."""


class AlreadyOpen(ValueError):
    """The partner has an OCPI connection."""


class NoConnection(LookupError):
    """The partner has no OCPI connection."""


@transaction.atomic
def open_connection(
    *,
    partner: Partner,
    now: datetime,
    is_v2g_agreed: bool = False,
    rate_unit: str = OcpiConnection.RateUnit.WATT,
    sends_raw_token: bool = False,
    actor: AbstractBaseUser | None = None,
) -> tuple[OcpiConnection, str]:
    """Let a partner register over OCPI; return its connection and the registration token (TOKEN_A), shown once.

    Raises `AlreadyOpen`.
    """
    if OcpiConnection.objects.filter(partner=partner).exists():
        raise AlreadyOpen(
            f"{partner} has an OCPI connection already. Change what was agreed on its operator page; "
            "`manage.py partner ocpi-token NAME` gives a new token."
        )
    agreed = {"is_v2g_agreed": is_v2g_agreed, "rate_unit": str(rate_unit), "sends_raw_token": sends_raw_token}
    connection = OcpiConnection(partner=partner, **agreed)
    connection.full_clean()
    connection.save(force_insert=True)
    audit.record(
        now=now,
        action="assets.ocpi.opened",
        subject=partner,
        actor=actor,
        after=agreed,
    )
    return connection, tokens.issue(connection=connection, purpose=OcpiToken.Purpose.REGISTRATION, now=now)


@transaction.atomic
def new_registration_token(*, partner_id: int, now: datetime, actor: AbstractBaseUser | None = None) -> str:
    """Return a new registration token; earlier tokens and the present registration end at once.

    For a platform that lost its token, or whose token may be known to others. Raises `NoConnection`.
    """
    connection = OcpiConnection.objects.select_for_update().filter(pk=partner_id).first()
    if connection is None:
        raise NoConnection("This partner has no OCPI connection. Open one: `manage.py partner ocpi-open NAME`.")
    _forget(connection)
    audit.record(now=now, action="assets.ocpi.token-renewed", subject=connection.partner, actor=actor)
    return tokens.issue(connection=connection, purpose=OcpiToken.Purpose.REGISTRATION, now=now)


@transaction.atomic
def close_registration(*, connection_id: int, now: datetime) -> None:
    """End a registration at the peer's wish: its tokens are void and nothing is sent to it. Raises `NotRegistered`."""
    connection = OcpiConnection.objects.select_for_update().get(pk=connection_id)
    if connection.registered_at is None:
        raise NotRegistered("There is no registration to end. POST credentials to register.")
    _forget(connection)
    audit.record(now=now, action="assets.ocpi.unregistered", subject=connection.partner)


def parties_of(connection_id: int) -> set[tuple[str, str]]:
    """Return the parties that a platform registered with, in capitals: it speaks for nobody else."""
    return set(OcpiParty.objects.filter(connection=connection_id).values_list("country_code", "party_id"))


def require_party(parties: Collection[tuple[str, str]], country_code: str, party_id: str) -> None:
    """Raise `InvalidObject` unless an object is of one of these parties."""
    if (country_code, party_id) not in parties:
        raise InvalidObject(f"{country_code}*{party_id} is not one of the parties you registered with.")


def is_of_another(owner: str, party: str, parties: Collection[tuple[str, str]]) -> bool:
    """Tell whether an owner (NL*STA) is another one of these parties; what nobody has, or one that left, may be had."""
    return owner != party and tuple(owner.split("*")) in parties


def withdraw_commands(*, partner_id: int, error: str) -> None:
    """Keep charging profiles that wait from being sent."""
    ProfileCommand.objects.filter(session__connection_id=partner_id, status=ProfileCommand.Status.WAITING).update(
        status=ProfileCommand.Status.WITHDRAWN, error=error
    )


def _forget(connection: OcpiConnection) -> None:
    connection.tokens.all().delete()
    connection.parties.all().delete()
    withdraw_commands(partner_id=connection.pk, error="The OCPI registration ended.")
    connection.registered_at, connection.peer_token_sealed, connection.endpoints = None, b"", {}
    connection.save(update_fields=["registered_at", "peer_token_sealed", "endpoints"])
