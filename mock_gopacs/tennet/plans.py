"""Reads the aFRR part of a scenario document: TenneT's terms, who may bid, competitors' bids and the demand.

Pure, as `mock_gopacs.scenario`: parsed YAML or JSON in, checked values with UTC instants out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from aggregator.core.ean import Ean13
from aggregator.core.interval import Interval
from aggregator.core.money import CENT
from aggregator.core.ptu import day_interval, ptu_range
from mock_gopacs.scenario_values import InvalidScenario, local_instant, one_of
from mock_gopacs.tennet.compliance import MODELS
from mock_gopacs.tennet.cycles import CYCLE, CYCLE_SECONDS
from mock_gopacs.tennet.ladder import Direction
from mock_gopacs.tennet.terms import Terms

LARGEST_DEMAND_MW = Decimal(99_999)
LARGEST_BID_MW = 99_999
LARGEST_PRICE_EUR_PER_MWH = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class BspPlan:
    """A BSP that speaks for itself over HTTP."""

    party_id: str
    name: str
    api_key: str
    prequalified_up_mw: int
    prequalified_down_mw: int
    contracted_up_mw: int
    contracted_down_mw: int


@dataclass(frozen=True, slots=True)
class CompetitorPlan:
    """A bid of the other BSPs in one PTU."""

    ptu: datetime
    direction: Direction
    quantity_mw: int
    price_eur_per_mwh: Decimal


@dataclass(frozen=True, slots=True)
class TennetPlan:
    """All of it."""

    terms: Terms
    bsps: tuple[BspPlan, ...]
    competitors: tuple[CompetitorPlan, ...]
    demand: tuple[tuple[datetime, Decimal], ...]


def read_tennet(document: Mapping[str, Any], day: date) -> TennetPlan:
    """Return the aFRR part of a document whose parameters are filled in; raise `InvalidScenario` or `KeyError`."""
    part = document.get("tennet") or {}
    return TennetPlan(
        terms=_terms(part.get("terms") or {}),
        bsps=tuple(_bsp(entry) for entry in part.get("bsps") or ()),
        competitors=tuple(bid for entry in part.get("competitors") or () for bid in _competitors(entry, day)),
        demand=tuple(
            (_on_cycle(local_instant(day, str(entry["at"]))), demand_mw(entry["mw"]))
            for entry in part.get("demand") or ()
        ),
    )


def demand_mw(value: Any) -> Decimal:
    """Return a demand in whole kW, signed; raise `InvalidScenario`."""
    mw = Decimal(str(value))
    if not mw.is_finite() or abs(mw) > LARGEST_DEMAND_MW or mw % Decimal("0.001"):
        raise InvalidScenario(f"A demand of {value} MW is finer than a kW, or beyond {LARGEST_DEMAND_MW} MW.")
    return mw


def _terms(entry: Mapping[str, Any]) -> Terms:
    if unknown := entry.keys() - _TERMS.keys():
        raise InvalidScenario(f"The terms of TenneT have no {sorted(unknown)}: they are {sorted(_TERMS)}.")
    terms = Terms(**{_TERMS[name][0]: _TERMS[name][1](value) for name, value in entry.items()})
    if min(terms.gate_lead, terms.stale_after, terms.settles_after) < timedelta(0):
        raise InvalidScenario("gate_lead_minutes, stale_after_seconds and settles_after_hours must not be negative.")
    if terms.full_activation < CYCLE or terms.full_activation % CYCLE:
        raise InvalidScenario(f"full_activation_seconds must be a multiple of {CYCLE_SECONDS} above 0.")
    if terms.lost_after is not None and terms.lost_after < CYCLE:
        raise InvalidScenario(f"lost_after_seconds must be at least {CYCLE_SECONDS}, or null for never.")
    return terms


def _bsp(entry: Mapping[str, Any]) -> BspPlan:
    return BspPlan(
        party_id=str(Ean13(str(entry["party_id"]))),
        name=str(entry["name"]),
        api_key=str(entry["api_key"]),
        prequalified_up_mw=_whole_mw(entry["prequalified_up_mw"]),
        prequalified_down_mw=_whole_mw(entry["prequalified_down_mw"]),
        contracted_up_mw=_whole_mw(entry.get("contracted_up_mw", 0)),
        contracted_down_mw=_whole_mw(entry.get("contracted_down_mw", 0)),
    )


def _competitors(entry: Mapping[str, Any], day: date) -> list[CompetitorPlan]:
    """Return one bid in each PTU of the given part of the day."""
    whole = day_interval(day)
    starts_at = local_instant(day, entry["starts_at"]) if "starts_at" in entry else whole.starts_at
    ends_at = local_instant(day, entry["ends_at"]) if "ends_at" in entry else whole.ends_at
    direction = Direction[one_of(("up", "down"), entry["direction"], "direction").upper()]
    quantity_mw, price = _whole_mw(entry["mw"]), _price(entry["price_eur_per_mwh"])
    return [CompetitorPlan(ptu, direction, quantity_mw, price) for ptu in ptu_range(Interval(starts_at, ends_at))]


def _on_cycle(instant: datetime) -> datetime:
    if instant.timestamp() % CYCLE_SECONDS:
        raise InvalidScenario(f"{instant:%H:%M:%S}Z starts no cycle: demand changes at multiples of 4 seconds.")
    return instant


def _whole_mw(value: Any) -> int:
    mw = Decimal(str(value))
    if not mw.is_finite() or not 0 <= mw <= LARGEST_BID_MW or mw % 1:
        raise InvalidScenario(
            f"{value} MW is no whole number from 0 to {LARGEST_BID_MW}: give whole MW without a sign."
        )
    return int(mw)


def _seconds(value: Any) -> timedelta:
    return timedelta(seconds=float(value))


def _price(value: Any) -> Decimal:
    price = Decimal(str(value))
    if not price.is_finite() or abs(price) > LARGEST_PRICE_EUR_PER_MWH or price % CENT:
        raise InvalidScenario(
            f"A price of {value} EUR/MWh is finer than a cent, or beyond {LARGEST_PRICE_EUR_PER_MWH}."
        )
    return price


_TERMS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "party_id": ("party_id", lambda value: str(Ean13(str(value)))),
    "gate_lead_minutes": ("gate_lead", lambda value: timedelta(minutes=float(value))),
    "minimum_bid_mw": ("minimum_bid_mw", _whole_mw),
    "lowest_price_eur_per_mwh": ("lowest_price_eur_per_mwh", _price),
    "highest_price_eur_per_mwh": ("highest_price_eur_per_mwh", _price),
    "is_ramped": ("is_ramped", lambda value: one_of((True, False), value, "true or false")),
    "full_activation_seconds": ("full_activation", _seconds),
    "lost_after_seconds": ("lost_after", lambda value: None if value is None else _seconds(value)),
    "stale_after_seconds": ("stale_after", _seconds),
    "settles_after_hours": ("settles_after", lambda value: timedelta(hours=float(value))),
    "compliance_model": ("compliance_model", lambda value: one_of(tuple(MODELS), value, "compliance model")),
    "penalty_eur_per_mwh": ("penalty_eur_per_mwh", _price),
}
"""The names of terms in a scenario, with the field that each fills."""
