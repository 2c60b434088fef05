"""The signed envelope: who says it, and the exact bytes they signed.

`Body` is base64 of `crypto_sign(xml)`: a 64-byte Ed25519 signature followed by the XML. There is no
canonicalisation, so bytes are signed, stored, resent and compared as they are; a message is never re-serialised.

Receiving takes three steps, because the middle one needs the sender's key from an address book:
`read_envelope` (400 when it fails), look up the keys (419), `open_envelope` (401), then `codec.parse` (400).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from nacl.bindings import crypto_sign, crypto_sign_open
from nacl.exceptions import CryptoError

from bidding.markets.safe_xml import parse_xml
from bidding.markets.uftp import fields as f
from bidding.markets.uftp.fields import Attribute
from bidding.markets.uftp.keys import SIGNATURE_BYTES, PrivateKey, PublicKey
from bidding.markets.uftp.problems import InvalidMessage, Problem, shown
from bidding.markets.uftp.reader import read_element
from bidding.markets.uftp.tables import V3_0, table_of
from bidding.markets.uftp.vocabulary import Role
from bidding.markets.uftp.writer import write_element

MAX_BODY_BYTES = 4 * 2**20
"""A month of settlement for four orders and contracts is about 4 MB; nothing honest is larger."""


class BodyTooLarge(ValueError):
    """More bytes than we care to parse."""


class SignatureRefused(ValueError):
    """None of the sender's keys made this signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A sender's claim and what it signed; nothing in it is to be believed before `open_envelope`."""

    element: ClassVar[str] = "SignedMessage"

    sender_domain: Annotated[str, Attribute("SenderDomain", f.DOMAIN)]
    sender_role: Annotated[Role, Attribute("SenderRole", f.ROLE)]
    sealed: Annotated[bytes, Attribute("Body", f.BASE64)]


_TABLE = table_of(Envelope, V3_0)  # the same in every version


def seal(document: bytes, *, sender_domain: str, sender_role: Role, private_key: PrivateKey) -> bytes:
    """Return the request body that carries `document`, signed.

    Raises:
        InvalidMessage: the sender's domain is not one.
    """
    envelope = Envelope(
        sender_domain=sender_domain, sender_role=sender_role, sealed=crypto_sign(document, private_key.raw)
    )
    return write_element(_TABLE, envelope, Envelope.element)


def read_envelope(body: bytes, *, max_bytes: int = MAX_BODY_BYTES) -> Envelope:
    """Return the envelope in a request body, unverified.

    Raises:
        BodyTooLarge: refused unread.
        safe_xml.InvalidXml, InvalidMessage: not a SignedMessage.
    """
    if len(body) > max_bytes:
        raise BodyTooLarge(f"The body has {len(body)} bytes, the limit is {max_bytes}. Split the message.")
    root = parse_xml(body)
    if root.tag != Envelope.element:
        problem = Problem(shown(root.tag), "is no envelope", f"wrap the signed message in {Envelope.element}")
        raise InvalidMessage([problem])
    envelope: Envelope = read_element(_TABLE, root)
    return envelope


def open_envelope(envelope: Envelope, *, public_keys: Iterable[PublicKey]) -> bytes:
    """Return the exact bytes that the owner of one of `public_keys` signed; while keys rotate there are two.

    Raises:
        SignatureRefused: no key fits, or there is none.
    """
    if len(envelope.sealed) >= SIGNATURE_BYTES:
        for public_key in public_keys:
            try:
                return bytes(crypto_sign_open(envelope.sealed, public_key.raw))
            except CryptoError:
                continue
    raise SignatureRefused(
        f"The signature is not by any known key of {envelope.sender_domain} ({envelope.sender_role}). "
        "Check that the address book holds the sender's current key."
    )
