"""The simulator's configuration file: where the aggregator is, who the partners are, what is played."""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aggregator.core.interval import Interval, utc
from aggregator.core.ptu import day_interval, ptu_start
from aggregator.core.words import cause
from assets.simulator.faults import FaultShares
from assets.simulator.ocpi.access import OcpiAccess
from assets.simulator.ocpi.faults import read_faults
from assets.simulator.ocpi.objects import Party


class InvalidConfiguration(ValueError):
    """The configuration cannot be used; the text names the place, the fault and the remedy."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one partner logs in with, and what signs the setpoints it is sent."""

    client_id: str
    client_secret: str
    callback_secret: str
    ocpi: OcpiAccess | None = None
    """How it speaks OCPI; None for our own REST interface."""


@dataclass(frozen=True, slots=True)
class SessionSource:
    """A file to replay, or None for the generator; `zone` is the local time of the file's place."""

    file: Path | None
    zone: ZoneInfo
    history_weeks: int


@dataclass(frozen=True, slots=True)
class Configuration:
    """A checked configuration. `period` is what is simulated; `seed` and `scale` make the fleet."""

    api_url: str
    token_url: str
    listen_host: str
    listen_port: int
    state_directory: Path
    period: Interval
    seed: int
    scale: float
    faults: FaultShares
    sessions: SessionSource
    partners: dict[str, Credentials]


def read_configuration(path: Path) -> Configuration:
    """Return the configuration in the JSON file `path`; raise `InvalidConfiguration`."""
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidConfiguration(f"{path} cannot be read: {cause(error)}. Give the file with --config.") from error
    except KeyError as error:
        raise InvalidConfiguration(f"{path} lacks {error}: see docs/simulator.md for every field.") from error
    except (TypeError, ValueError) as error:
        raise InvalidConfiguration(f"{path} cannot be used: {error}") from error


def _read(document: dict[str, Any]) -> Configuration:
    sessions = document.get("sessions") or {}
    portfolio = document["portfolio"]
    listen = document["listen"]
    return Configuration(
        api_url=str(document["api_url"]).rstrip("/"),
        token_url=str(document["token_url"]),
        listen_host=str(listen.get("host", "127.0.0.1")),
        listen_port=int(listen["port"]),
        state_directory=Path(document["state_directory"]),
        period=_period(document),
        seed=int(portfolio["seed"]),
        scale=float(portfolio.get("scale", 1.0)),
        faults=_faults(document.get("faults") or {}),
        sessions=SessionSource(
            file=Path(sessions["file"]) if sessions.get("file") else None,
            zone=_zone(sessions.get("zone", "Europe/Amsterdam")),
            history_weeks=int(sessions.get("history_weeks", 8)),
        ),
        partners={
            key: Credentials(
                row["client_id"],
                row["client_secret"],
                row["callback_secret"],
                ocpi=_ocpi(row["ocpi"]) if row.get("ocpi") else None,
            )
            for key, row in document["partners"].items()
        },
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:  # a KeyError, which would read as a field that is missing
        raise ValueError(f"there is no time zone {name!r}; write one like Europe/Amsterdam.") from None


def _ocpi(row: dict[str, Any]) -> OcpiAccess:
    return OcpiAccess(
        versions_url=str(row["versions_url"]),
        registration_token=str(row["registration_token"]),
        party=Party(str(row.get("country_code", "NL")), str(row["party_id"])),
        pushes=bool(row.get("pushes", True)),
        faults=read_faults(row.get("faults") or {}),
    )


def _faults(shares: dict[str, Any]) -> FaultShares:
    unknown = sorted(set(shares) - set(FaultShares.names()))
    if unknown:
        raise ValueError(f"faults has no {', '.join(unknown)}; there are {', '.join(FaultShares.names())}.")
    return FaultShares(**{name: float(share) for name, share in shares.items()})


def _period(document: dict[str, Any]) -> Interval:
    """Return `starts_at`..`ends_at`; twelve hours into the local `day` until a day later where not given."""
    midnight = day_interval(date.fromisoformat(str(document["day"]))).starts_at
    noon = midnight + timedelta(hours=12)
    starts_at = utc(datetime.fromisoformat(document["starts_at"])) if document.get("starts_at") else noon
    ends_at = utc(datetime.fromisoformat(document["ends_at"])) if document.get("ends_at") else noon + timedelta(days=1)
    for name, instant in (("starts_at", starts_at), ("ends_at", ends_at)):
        if ptu_start(instant) != instant:
            raise InvalidConfiguration(f"{name} {instant.isoformat()} is not on a quarter hour; round it to one.")
    return Interval(starts_at, ends_at)
