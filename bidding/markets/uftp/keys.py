"""Ed25519 keys as UFTP writes them: base64, the private key with its public half appended, `cs1.` in DNS."""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass, field

from nacl.bindings import (
    crypto_sign_BYTES,
    crypto_sign_PUBLICKEYBYTES,
    crypto_sign_SECRETKEYBYTES,
    crypto_sign_seed_keypair,
    crypto_sign_SEEDBYTES,
)

SIGNATURE_BYTES: int = crypto_sign_BYTES
_DNS_PREFIX = "cs1."


class InvalidKey(ValueError):
    """A text that is no key of the expected sort."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Checks a participant's signatures."""

    raw: bytes

    @classmethod
    def from_text(cls, text: str) -> "PublicKey":
        """Read base64, with or without the `cs1.` of a DNS record; an encryption key behind it is ignored."""
        raw = _decode(text.strip().removeprefix(_DNS_PREFIX))
        if len(raw) not in (crypto_sign_PUBLICKEYBYTES, 2 * crypto_sign_PUBLICKEYBYTES):
            raise InvalidKey(
                f"The public key has {len(raw)} bytes. Give the base64 of 32 bytes, as the owner published."
            )
        return cls(raw[:crypto_sign_PUBLICKEYBYTES])

    def __str__(self) -> str:
        return _encode(self.raw)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """Signs our messages. Never shown by accident: `to_text` is the only way out."""

    raw: bytes = field(repr=False)

    @classmethod
    def from_text(cls, text: str) -> "PrivateKey":
        """Read the base64 of the 64 bytes that `to_text` and the reference tools write."""
        raw = _decode(text.strip())
        if len(raw) != crypto_sign_SECRETKEYBYTES:
            raise InvalidKey("The private key does not have 64 bytes. Give the base64 of seed and public key together.")
        return cls(raw)

    @property
    def public_key(self) -> PublicKey:
        """The half that may be published."""
        return PublicKey(self.raw[crypto_sign_SEEDBYTES:])

    def to_text(self) -> str:
        """Return the secret as base64, for the one who stores it."""
        return _encode(self.raw)


def key_from_seed(seed: bytes) -> PrivateKey:
    """Return the key made from 32 secret random bytes, for example `secrets.token_bytes(32)`."""
    if len(seed) != crypto_sign_SEEDBYTES:
        raise InvalidKey(f"The seed has {len(seed)} bytes. Give {crypto_sign_SEEDBYTES} random ones.")
    return PrivateKey(crypto_sign_seed_keypair(seed)[1])


def _encode(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except (Base64Error, ValueError):
        raise InvalidKey("The key is not base64. Copy it whole, without quotes or spaces inside.") from None
