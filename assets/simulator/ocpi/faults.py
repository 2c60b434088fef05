"""What can go wrong between an OCPI partner and its stations, drawn once per request so that a rerun is the same."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

_DRAWS = 2**32


@dataclass(frozen=True, slots=True)
class OcpiFaults:
    """Shares of charging profiles that meet a fault, from 0 to 1, and its size in simulated seconds."""

    callback_late_share: float = 0.0
    callback_late_seconds: int = 900
    callback_twice_share: float = 0.0
    callback_never_share: float = 0.0
    rejected_share: float = 0.0
    """Refused by the platform itself, before a station is asked."""
    loses_limit_share: float = 0.0
    """The station reconnects and charges on without its profile."""
    loses_limit_after_seconds: int = 600
    offline_share: float = 0.0
    """The station hears nothing until the session's next profile: it keeps what it has to its end."""
    too_often_seconds: int = 0
    """Least time between two profiles for a session; sooner is answered TOO_OFTEN."""

    def __post_init__(self) -> None:
        """Refuse what is no share or no time."""
        for field in fields(self):
            value = getattr(self, field.name)
            highest = 1 if field.name.endswith("_share") else 24 * 3600
            if not 0 <= value <= highest:
                raise ValueError(f"ocpi fault {field.name} is {value}; it lies between 0 and {highest}.")


def read_faults(document: Mapping[str, Any]) -> OcpiFaults:
    """Return the faults of a configuration; raise `ValueError` for a name that is none."""
    known = {field.name for field in fields(OcpiFaults)}
    strangers = sorted(document.keys() - known)
    if strangers:
        raise ValueError(f"{strangers[0]!r} is no OCPI fault. Known: {', '.join(sorted(known))}.")
    return OcpiFaults(**document)


def strikes(share: float, *, fault: str, session_id: str, number: int) -> bool:
    """Tell whether a fault strikes the session's profile of this number; always the same for the same names."""
    digest = hashlib.sha256(f"{fault}:{session_id}:{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * _DRAWS
