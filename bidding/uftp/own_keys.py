"""Our signing keys: made here, kept encrypted, rotated with overlap."""

import secrets
from datetime import datetime
from hashlib import blake2b

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from aggregator.core import audit
from bidding.markets.uftp.keys import PrivateKey, key_from_seed
from bidding.models import OwnKey


@transaction.atomic
def make_own_key(*, now: datetime, signs_from: datetime) -> OwnKey:
    """Make a key pair that signs from an instant on; publish the public half before then."""
    private_key = key_from_seed(secrets.token_bytes(32))
    own_key = OwnKey.objects.create(
        public_key=str(private_key.public_key),
        sealed_private_key=_box().encrypt(private_key.raw),
        signs_from=signs_from,
        created_at=now,
    )
    audit.record(now=now, action="bidding.uftp-key.made", subject=own_key, after={"public_key": own_key.public_key})
    return own_key


def signing_key(*, now: datetime) -> PrivateKey:
    """Return the newest key whose time has come; raise `ImproperlyConfigured` when there is none or it is locked."""
    own_key = OwnKey.objects.filter(signs_from__lte=now).order_by("-signs_from", "-pk").first()
    if own_key is None:
        raise ImproperlyConfigured("There is no key to sign with. Make one with `manage.py uftp_keypair`.")
    try:
        return PrivateKey(_box().decrypt(bytes(own_key.sealed_private_key)))
    except CryptoError:
        raise ImproperlyConfigured(
            "Our UFTP key does not open: SECRET_KEY changed since it was made. Restore it, or make a new key with "
            "`manage.py uftp_keypair` and publish that."
        ) from None


def _box() -> SecretBox:
    secret = settings.SECRET_KEY.encode()
    return SecretBox(blake2b(secret, digest_size=SecretBox.KEY_SIZE, person=b"uftp own key").digest())
