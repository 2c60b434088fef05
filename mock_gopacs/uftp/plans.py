"""Reads the UFTP part of a scenario document: who takes part, which contracts there are, and when they are called.

Pure, as `mock_gopacs.scenario`: parsed YAML or JSON in, checked values with UTC instants out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from aggregator.core.interval import Interval
from aggregator.core.ptu import ptu_range
from bidding.markets.uftp.keys import PublicKey
from bidding.markets.uftp.powers import PowerMeaning
from bidding.markets.uftp.vocabulary import Role
from mock_gopacs.scenario_values import InvalidScenario, ean18, local_instant, one_of

CALL_TIME = "08:00"
"""When a call goes out, on the day before: the one hour that an operator has published."""
OFFER_WINDOW_MINUTES = 60
VERSIONS = ("3.0.0", "3.1.0")
CONGESTIONS = ("OFF_TAKE", "FEED_IN")
V2_STATUSES = (200, 404, 410)
_DOMAIN = re.compile(r"([a-z0-9]+(-[a-z0-9]+)*\.)+[a-z]{2,}")


@dataclass(frozen=True, slots=True)
class PartyPlan:
    """A domain in the address book; only aggregators have an endpoint, a key of their own and a client."""

    domain: str
    role: Role
    endpoint: str = ""
    public_key: str = ""
    client_id: str | None = None
    client_secret: str = ""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call of a contract."""

    called_at: datetime
    window: Interval
    power_w: int
    offer_window: timedelta
    order_delay: timedelta


@dataclass(frozen=True, slots=True)
class ContractPlan:
    """What a grid operator may call, and when it will."""

    contract_id: str
    ean: str
    dso: str
    aggregator: str
    version: str
    congestion: str
    power_meaning: PowerMeaning
    power_w: int
    price_eur: Decimal
    calls: tuple[CallPlan, ...]


@dataclass(frozen=True, slots=True)
class UftpPlan:
    """All of it."""

    token_lifetime: timedelta
    address_book_v2_status: int
    parties: tuple[PartyPlan, ...]
    contracts: tuple[ContractPlan, ...]


def read_uftp(document: Mapping[str, Any], day: date) -> UftpPlan:
    """Return the UFTP part of a document whose parameters are filled in; raise `InvalidScenario` or `KeyError`."""
    settings = document.get("settings") or {}
    parties = tuple(_party(entry) for entry in document.get("uftp_participants") or ())
    roles = {party.domain: party.role for party in parties}
    return UftpPlan(
        token_lifetime=timedelta(seconds=float(settings.get("token_lifetime_seconds", 300))),
        address_book_v2_status=one_of(V2_STATUSES, settings.get("address_book_v2_status", 200), "status of V2"),
        parties=parties,
        contracts=tuple(_contract(entry, day, roles) for entry in document.get("contracts") or ()),
    )


def read_call(entry: Mapping[str, Any], day: date, *, contract_power_w: int) -> CallPlan:
    """Return one call; its clock times are on `day`, or the call itself `days_before` it."""
    window = Interval(local_instant(day, entry["starts_at"]), local_instant(day, entry["ends_at"]))
    ptu_range(window)  # refuses what does not lie on quarter hours
    days_before = int(entry.get("days_before", 0 if "called_at" in entry else 1))
    power_w = _watt(entry["power_kw"]) if "power_kw" in entry else contract_power_w
    return CallPlan(
        called_at=local_instant(day - timedelta(days=days_before), str(entry.get("called_at", CALL_TIME))),
        window=window,
        power_w=power_w,
        offer_window=timedelta(minutes=float(entry.get("offer_window_minutes", OFFER_WINDOW_MINUTES))),
        order_delay=timedelta(minutes=float(entry.get("order_delay_minutes", 0))),
    )


def _party(entry: Mapping[str, Any]) -> PartyPlan:
    domain = str(entry["domain"])
    if not _DOMAIN.fullmatch(domain):
        raise InvalidScenario(f"{domain!r} is no UFTP domain: give lower-case letters, for example agr.example.nl.")
    role = Role(one_of((Role.AGR.value, Role.DSO.value), entry["role"], "role"))
    if role is Role.DSO:
        return PartyPlan(domain, role)
    return PartyPlan(
        domain,
        role,
        endpoint=str(entry["endpoint"]),
        public_key=str(PublicKey.from_text(str(entry["public_key"]))),
        client_id=str(entry["client_id"]),
        client_secret=str(entry["client_secret"]),
    )


def _contract(entry: Mapping[str, Any], day: date, roles: Mapping[str, Role]) -> ContractPlan:
    power_w = _watt(entry["power_kw"])
    return ContractPlan(
        contract_id=str(entry["contract_id"]),
        ean=ean18(entry["ean"]),
        dso=_known(entry["dso"], Role.DSO, roles),
        aggregator=_known(entry["aggregator"], Role.AGR, roles),
        version=one_of(VERSIONS, str(entry.get("version", VERSIONS[0])), "version"),
        congestion=one_of(CONGESTIONS, entry["congestion"], "congestion"),
        power_meaning=PowerMeaning(one_of(list(PowerMeaning), entry.get("power_meaning", "limit"), "power_meaning")),
        power_w=power_w,
        price_eur=Decimal(str(entry.get("price_eur", 0))),
        calls=tuple(read_call(call, day, contract_power_w=power_w) for call in entry.get("calls") or ()),
    )


def _known(domain: Any, role: Role, roles: Mapping[str, Role]) -> str:
    if roles.get(str(domain)) is not role:
        raise InvalidScenario(f"{domain!r} is no {role} among uftp_participants: add it there.")
    return str(domain)


def _watt(kilowatt: Any) -> int:
    watt = Decimal(str(kilowatt)) * 1000
    if watt < 0 or watt % 1:
        raise InvalidScenario(f"power_kw {kilowatt} is negative or finer than a Watt: give the size without a sign.")
    return int(watt)
