"""Participants in DNS, the specification's alternative to an address book.

Under the participant's domain: `_<role>._usef` TXT holds its keys (`cs1.…`, two while they rotate, in one record or
two), `_http._<role>._usef` CNAME the host that takes its messages, `_usef` TXT the version it speaks. Only answers that
the resolver proved by DNSSEC count, so the resolver must validate and the way to it must be safe.
"""

from dataclasses import dataclass

import dns.flags
import dns.resolver
from dns.exception import DNSException
from dns.rdatatype import CNAME, TXT

from bidding.markets.uftp.keys import InvalidKey, PublicKey
from bidding.markets.uftp.transport import MESSAGE_PATH
from bidding.markets.uftp.vocabulary import Role

SECONDS_PER_LOOKUP = 3.0
_EDNS_BYTES = 1232


class LookupFailed(RuntimeError):
    """DNS gave no usable answer; another time it may."""


@dataclass(frozen=True, slots=True)
class Found:
    """What DNS says of a participant."""

    public_keys: tuple[PublicKey, ...]
    endpoint: str
    version: str


def find(*, domain: str, role: Role, resolver: str) -> Found | None:
    """Return what DNS says of `domain` in `role`, asked from `resolver` (`address` or `address:port`).

    None when it has no keys there. Raises `LookupFailed`.
    """
    keys = [key for text in _texts(f"_{role.lower()}._usef.{domain}", resolver) for key in text.split()]
    if not keys:
        return None
    try:
        public_keys = tuple(PublicKey.from_text(text) for text in keys)
    except InvalidKey as error:
        raise LookupFailed(f"DNS holds no usable key of {domain} ({role}): {error}") from error
    host = _host(f"_http._{role.lower()}._usef.{domain}", resolver)
    versions = _texts(f"_usef.{domain}", resolver)
    return Found(public_keys, f"https://{host}{MESSAGE_PATH}" if host else "", versions[0] if versions else "")


def _texts(name: str, resolver: str) -> list[str]:
    return [b"".join(record.strings).decode("ascii", "replace") for record in _ask(name, TXT, resolver)]


def _host(name: str, resolver: str) -> str:
    records = _ask(name, CNAME, resolver)
    return str(records[0].target).rstrip(".") if records else ""


def _ask(name: str, kind: dns.rdatatype.RdataType, resolver: str) -> list:  # type: ignore[type-arg]  # dnspython has no types for them
    asked = dns.resolver.Resolver(configure=False)
    address, _, port = resolver.partition(":")
    asked.nameservers, asked.port, asked.lifetime = [address], int(port or 53), SECONDS_PER_LOOKUP
    asked.use_edns(0, dns.flags.DO, _EDNS_BYTES)
    asked.flags = dns.flags.RD | dns.flags.AD
    try:
        answer = asked.resolve(name, kind, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except DNSException as error:
        raise LookupFailed(f"DNS did not answer for {name}: {error}") from error
    if not answer.response.flags & dns.flags.AD:
        raise LookupFailed(f"The answer for {name} is not proven by DNSSEC. Use a resolver that validates.")
    return list(answer)
