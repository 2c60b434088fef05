"""The address book: which key belongs to which domain. Grid operators' keys are made here, aggregators bring theirs."""

import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from bidding.markets.uftp.keys import PrivateKey, PublicKey, key_from_seed
from bidding.markets.uftp.vocabulary import Role
from mock_gopacs.models import Market, UftpKey, UftpParticipant

OVERLAP = timedelta(hours=24)
"""How long signatures with the previous key are still taken, as the specification advises."""


class KeyNotGiven(ValueError):
    """An aggregator's new key must be given; this market cannot make it."""


def new_private_key() -> PrivateKey:
    """Return a fresh random key."""
    return key_from_seed(secrets.token_bytes(32))


def add_key(participant: UftpParticipant, public_key: PublicKey | None = None) -> UftpKey:
    """Publish a key for a participant; without one given, a new one whose private half stays here."""
    if public_key is not None:
        return UftpKey.objects.create(participant=participant, public_key=str(public_key))
    private_key = new_private_key()
    return UftpKey.objects.create(
        participant=participant, public_key=str(private_key.public_key), private_key=private_key.to_text()
    )


def published_key(participant: UftpParticipant) -> UftpKey:
    """Return the key that the address book shows: the newest."""
    return participant.keys.latest("pk")


def accepted_keys(participant: UftpParticipant, *, now: datetime) -> list[PublicKey]:
    """Return the keys whose signatures are taken now."""
    keys = participant.keys.filter(Q(withdrawn_at=None) | Q(withdrawn_at__gt=now)).order_by("-pk")
    return [PublicKey.from_text(key.public_key) for key in keys]


def signing_key(participant: UftpParticipant) -> PrivateKey:
    """Return the key with which this market signs for a grid operator."""
    return PrivateKey.from_text(published_key(participant).private_key)


@transaction.atomic
def rotate(domain: str, *, now: datetime, public_key: PublicKey | None = None, overlap: timedelta = OVERLAP) -> UftpKey:
    """Replace a participant's key; the old one is taken for `overlap` longer.

    Raises `UftpParticipant.DoesNotExist`, or `KeyNotGiven` for an aggregator without its new key.
    """
    Market.lock()
    participant = UftpParticipant.objects.get(pk=domain)
    if participant.role == Role.AGR and public_key is None:
        raise KeyNotGiven(f"{domain} is an aggregator: give its new public key.")
    participant.keys.filter(withdrawn_at=None).update(withdrawn_at=now + overlap)
    return add_key(participant, public_key if participant.role == Role.AGR else None)
