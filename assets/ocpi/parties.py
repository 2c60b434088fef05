"""Who we are and who the peer is: versions, endpoints and credentials as objects. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from assets.ocpi.wire import VERSION, InvalidObject, Status, is_token, joined

LONGEST_URL = 255
SESSIONS, LOCATIONS, PROFILES, CREDENTIALS = "sessions", "locations", "chargingprofiles", "credentials"
SENDER, RECEIVER = "SENDER", "RECEIVER"
OUR_ENDPOINTS = ((CREDENTIALS, RECEIVER), (SESSIONS, RECEIVER), (LOCATIONS, RECEIVER), (PROFILES, SENDER))
"""Modules and the role we have in each (terminology, typical OCPI implementations; locations by agreement)."""


@dataclass(frozen=True, slots=True)
class Us:
    """How we present ourselves; `url` is where /ocpi begins."""

    url: str
    country_code: str
    party_id: str
    role: str
    name: str

    def versions_url(self) -> str:
        """Return where our versions are listed."""
        return joined(self.url, "versions")

    def versions(self) -> list[dict[str, str]]:
        """Return the versions we speak."""
        return [{"version": VERSION, "url": joined(self.url, VERSION)}]

    def version_details(self) -> dict[str, Any]:
        """Return the endpoints of our version."""
        return {
            "version": VERSION,
            "endpoints": [
                {"identifier": module, "role": role, "url": joined(self.url, VERSION, module)}
                for module, role in OUR_ENDPOINTS
            ],
        }

    def credentials(self, token: str) -> dict[str, Any]:
        """Return our credentials; `token` is what the peer uses towards us."""
        return {
            "token": token,
            "url": self.versions_url(),
            "roles": [
                {
                    "role": self.role,
                    "party_id": self.party_id,
                    "country_code": self.country_code,
                    "business_details": {"name": self.name},
                }
            ],
        }


@dataclass(frozen=True, slots=True)
class PeerCredentials:
    """What a peer registers with: the token we use towards it, its versions, and the parties it speaks for."""

    token: str
    url: str
    parties: tuple[tuple[str, str], ...]
    """Country code and party id in capitals, of the CPO roles only: assets come from nobody else."""


def read_credentials(document: Any) -> PeerCredentials:
    """Return a Credentials object; raise `InvalidObject`."""
    if not isinstance(document, dict):
        raise InvalidObject("The body is no Credentials object.")
    if not is_token(document.get("token")):
        raise InvalidObject("token is missing or not 1 to 64 printable ASCII characters without spaces.")
    roles = document.get("roles")
    if not isinstance(roles, list) or not roles:
        raise InvalidObject("roles is missing or empty.")
    parties = [_party(role) for role in roles]
    cpos = tuple(dict.fromkeys(party for kind, party in parties if kind == "CPO"))
    if not cpos:
        raise InvalidObject(
            "None of the roles is CPO; we steer the assets of CPOs only.", Status.NOT_ENOUGH_INFORMATION
        )
    return PeerCredentials(document["token"], read_url(document.get("url")), cpos)


def object_key(country_code: str, party_id: str, object_id: str) -> str:
    """Return how an object of a party is found: by party and id, without case.

    >>> object_key("NL", "STA", "L1")
    'nl*sta*l1'
    """
    return f"{country_code}*{party_id}*{object_id}".lower()


def party_in(key: str) -> tuple[str, str]:
    """Return the party, in capitals, of an object by its key, `country*party*id`.

    >>> party_in("nl*sta*l1*s1")
    ('NL', 'STA')
    """
    country, party, _ = key.upper().split("*", 2)
    return country, party


def _party(role: Any) -> tuple[str, tuple[str, str]]:
    if not isinstance(role, dict):
        raise InvalidObject("A role is not an object.")
    details = role.get("business_details")
    if not isinstance(details, dict) or not isinstance(details.get("name"), str):
        raise InvalidObject("business_details of a role is missing its name.")
    values = [role.get(name) for name in ("role", "country_code", "party_id")]
    lengths = (20, 2, 3)
    for value, longest in zip(values, lengths, strict=True):
        if not isinstance(value, str) or not value.isascii() or not value.isalnum() or len(value) > longest:
            raise InvalidObject("A role needs role, country_code (2 letters) and party_id (3 characters).")
    kind, country_code, party_id = (str(value).upper() for value in values)
    if len(country_code) != lengths[1] or len(party_id) != lengths[2]:
        raise InvalidObject("A role needs role, country_code (2 letters) and party_id (3 characters).")
    return kind, (country_code, party_id)


def read_versions(data: Any) -> str:
    """Return the address of the peer's details of our version; raise `InvalidObject` when it has none."""
    if isinstance(data, list):
        for row in data:
            if isinstance(row, dict) and row.get("version") == VERSION:
                return read_url(row.get("url"))
    raise InvalidObject(f"The peer does not offer OCPI {VERSION}.", Status.UNSUPPORTED_VERSION)


def read_endpoints(data: Any) -> dict[str, str]:
    """Return the peer's endpoints as `module/ROLE` -> address; raise `InvalidObject` without the ones we need."""
    rows = data.get("endpoints") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise InvalidObject("The version details hold no endpoints.", Status.UNUSABLE_CLIENT_API)
    endpoints = {
        endpoint_key(row["identifier"], row.get("role", "")): read_url(row.get("url"))
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("identifier"), str) and isinstance(row.get("role", ""), str)
    }
    if endpoint_key(SESSIONS, SENDER) not in endpoints:
        raise InvalidObject("The peer offers no sessions as SENDER.", Status.NO_MATCHING_ENDPOINTS)
    return endpoints


def endpoint_key(module: str, role: str) -> str:
    """Return how an endpoint is named in our table."""
    return f"{module}/{role}"


def endpoint(endpoints: Mapping[str, str], module: str, role: str) -> str | None:
    """Return the peer's endpoint, None where it has none; the role of credentials means nothing (credentials)."""
    roles = (SENDER, RECEIVER, "") if module == CREDENTIALS else (role,)
    return next((endpoints[key] for one in roles if (key := endpoint_key(module, one)) in endpoints), None)


def required_endpoint(endpoints: Mapping[str, str], module: str, role: str) -> str:
    """Return the peer's endpoint; raise `InvalidObject` where it has none."""
    url = endpoint(endpoints, module, role)
    if url is None:
        raise InvalidObject(f"The peer offers no {module} as {role}.", Status.NO_MATCHING_ENDPOINTS)
    return url


def read_url(value: Any) -> str:
    """Return an address; raise `InvalidObject` unless it is http(s) with a host and at most 255 characters."""
    if isinstance(value, str) and len(value) <= LONGEST_URL and value.isascii() and value.isprintable():
        try:
            parts = urlsplit(value)
            is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_usable = False
        if is_usable and " " not in value:
            return value
    raise InvalidObject(
        "url is missing or not an http(s) address of at most 255 characters.", Status.UNUSABLE_CLIENT_API
    )


def host_of(url: str) -> str:
    """Return the host of an address."""
    return urlsplit(url).hostname or ""
