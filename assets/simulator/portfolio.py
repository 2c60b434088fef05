"""The simulated fleet: which assets stand where, whose they are, and how they behave.

Seeded and reproducible: one seed and one scale always give the same fleet. The counts follow the Utrecht programmes
(public chargers, shared Renault 5 cars with V2G, a bus depot with a second-life battery, heat pumps with buffers);
shares of behaviour are assumptions, named where they are set.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from aggregator.core.ean import Ean13, Ean18

Kind = Literal["charger", "v2g_charger", "bus_charger", "battery", "heat_pump"]
Category = Literal["public", "home", "workplace", "shared_car", "depot", "heat"]
Pausing = Literal["unknown", "can_pause", "cannot_pause"]
Behaviour = Literal["follows", "ignores", "rejects"]

SIX_AMPERE_W = 1380
"""6 A on one phase of 230 V, the least current a charger can offer (IEC 61851)."""

SHARE_CANNOT_PAUSE = 0.2
SHARE_PAUSING_UNKNOWN = 0.2
"""Assumed. Of those not known, half cannot pause; the field found that the floor halves what charging can shift."""

SHARE_IGNORES = 0.02
SHARE_REJECTS = 0.01


@dataclass(frozen=True, slots=True)
class Area:
    """A congestion area as the aggregator registers it."""

    code: str
    name: str
    grid_operator: str
    postcodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """An aggregation EAN and where it is."""

    ean: str
    name: str
    area_code: str
    postcode: str
    brp: str


@dataclass(frozen=True, slots=True)
class HeatPhysics:
    """A house with its buffer as one thermal mass (1R1C); powers are electrical."""

    loss_kw_per_kelvin: float
    capacity_kwh_per_kelvin: float
    comfort_c: float
    band_kelvin: float
    nominal_cop: float


@dataclass(frozen=True, slots=True)
class Asset:
    """One steerable unit: what its partner registers, and what only the simulation knows."""

    external_id: str
    kind: Kind
    category: Category
    connection_ean: str
    max_import_w: int
    max_export_w: int
    min_import_w: int
    pausing: Pausing
    capacity_wh: int | None
    min_level_wh: int
    round_trip_efficiency: str
    aggregation_ean: str
    behaviour: Behaviour
    can_pause: bool
    heat: HeatPhysics | None

    def registration(self) -> dict[str, Any]:
        """Return the asset as a row of PUT /api/v1/assets."""
        row: dict[str, Any] = {
            "external_id": self.external_id,
            "kind": self.kind,
            "category": self.category,
            "connection_ean": self.connection_ean,
            "max_import_w": self.max_import_w,
            "max_export_w": self.max_export_w,
            "min_import_w": self.min_import_w,
            "pausing": self.pausing,
            "min_level_wh": self.min_level_wh,
            "round_trip_efficiency": self.round_trip_efficiency,
        }
        if self.capacity_wh is not None:
            row["capacity_wh"] = self.capacity_wh
        return row


@dataclass(frozen=True, slots=True)
class Partner:
    """A CPO, car-sharing operator or depot, with its own credentials."""

    key: str
    name: str
    assets: tuple[Asset, ...]


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Everything the aggregator must know to trade with this fleet."""

    seed: int
    scale: float
    areas: tuple[Area, ...]
    groups: tuple[Group, ...]
    partners: tuple[Partner, ...]

    def assets(self) -> Iterator[tuple[Partner, Asset]]:
        """Yield every asset with its partner, in a fixed order."""
        for partner in self.partners:
            for asset in partner.assets:
                yield partner, asset

    def to_json(self) -> str:
        """Return the whole fleet as a JSON document."""
        return json.dumps(asdict(self), indent=1)


CENTRUM = Area(
    "utrecht-centrum",
    "Utrecht Centrum",
    Ean13("8716892000005"),
    ("3511", "3512", "3513", "3514", "3581", "3582", "3583"),
)
OVERVECHT = Area(
    "utrecht-overvecht", "Utrecht Overvecht", Ean13("8716892000005"), ("3561", "3562", "3563", "3564", "3565", "3566")
)
_BRP = Ean13.from_body("871999900001")

CITY = Group(Ean18.from_body("87168510000000001"), "Centrum op straat", CENTRUM.code, "3511", _BRP)
QUARTER = Group(Ean18.from_body("87168510000000002"), "Overvecht laadpalen", OVERVECHT.code, "3562", _BRP)
DEPOT = Group(Ean18.from_body("87168510000000003"), "Overvecht depot en warmte", OVERVECHT.code, "3565", _BRP)
HOMES = Group(Ean18.from_body("87168510000000004"), "Overvecht thuis", OVERVECHT.code, "3563", _BRP)
"""With the need of each area as the mock market's evening sets it, the city's bid is cleared in full, the quarter's in
part and the depot's, the dearest, not at all. The homes are under a contract, and its grid operator calls it."""

_SPREAD: dict[str, tuple[tuple[Group, int], ...]] = {
    "public": ((CITY, 270), (QUARTER, 430)),
    "workplace": ((CITY, 50), (QUARTER, 100)),
    "home": ((CITY, 80), (HOMES, 220)),
    "shared_car": ((CITY, 65), (QUARTER, 185), (DEPOT, 60)),
    "bus": ((DEPOT, 68),),
    "battery": ((HOMES, 1),),
    "heat": ((HOMES, 40), (DEPOT, 80)),
}
_PARTNERS = (
    ("stadsladen", "Stadsladen", ("public", "workplace")),
    ("deelstroom", "Deelstroom", ("home", "shared_car")),
    ("remise", "Remise en Warmte", ("bus", "battery", "heat")),
)


def build_portfolio(*, seed: int, scale: float = 1.0) -> Portfolio:
    """Return the fleet of `seed`; `scale` shrinks every count (at least one of each) for tests."""
    generator = np.random.default_rng(seed)
    partners = []
    serial = 0
    for key, name, fleets in _PARTNERS:
        assets: list[Asset] = []
        for fleet in fleets:
            within = 0
            for group, count in _SPREAD[fleet]:
                for _ in range(max(1, round(count * scale))):
                    serial += 1
                    within += 1
                    assets.append(_MAKERS[fleet](within, serial, group, generator))
        partners.append(Partner(key, name, tuple(assets)))
    return Portfolio(seed, scale, (CENTRUM, OVERVECHT), (CITY, QUARTER, DEPOT, HOMES), tuple(partners))


def _connection(serial: int) -> str:
    return Ean18.from_body(f"87168520{serial:09d}")


def _behaviour(generator: np.random.Generator) -> Behaviour:
    draw = generator.random()
    if draw < SHARE_IGNORES:
        return "ignores"
    return "rejects" if draw < SHARE_IGNORES + SHARE_REJECTS else "follows"


def _charger(prefix: str, category: Category, single_phase_share: float) -> Any:
    def make(within: int, serial: int, group: Group, generator: np.random.Generator) -> Asset:
        single_phase = generator.random() < single_phase_share
        draw = generator.random()
        pausing: Pausing = "can_pause"
        can_pause = True
        if draw < SHARE_CANNOT_PAUSE:
            pausing, can_pause = "cannot_pause", False
        elif draw < SHARE_CANNOT_PAUSE + SHARE_PAUSING_UNKNOWN:
            pausing, can_pause = "unknown", bool(generator.random() < 0.5)  # noqa: PLR2004 - see SHARE_PAUSING_UNKNOWN
        return Asset(
            external_id=f"{prefix}-{within:04d}",
            kind="charger",
            category=category,
            connection_ean=_connection(serial),
            max_import_w=7360 if single_phase else 11040,
            max_export_w=0,
            min_import_w=SIX_AMPERE_W if single_phase else 3 * SIX_AMPERE_W,
            pausing=pausing,
            capacity_wh=None,
            min_level_wh=0,
            round_trip_efficiency="1",
            aggregation_ean=group.ean,
            behaviour=_behaviour(generator),
            can_pause=can_pause,
            heat=None,
        )

    return make


def _shared_car(within: int, serial: int, group: Group, generator: np.random.Generator) -> Asset:
    """Renault 5: 52 kWh, 11 kW both ways; 87 % round trip as measured in Utrecht (Schram et al. 2020)."""
    return Asset(
        external_id=f"v2g-{within:04d}",
        kind="v2g_charger",
        category="shared_car",
        connection_ean=_connection(serial),
        max_import_w=11_000,
        max_export_w=11_000,
        min_import_w=0,
        pausing="can_pause",
        capacity_wh=52_000,
        min_level_wh=10_400,
        round_trip_efficiency="0.870",
        aggregation_ean=group.ean,
        behaviour=_behaviour(generator),
        can_pause=True,
        heat=None,
    )


def _bus(within: int, serial: int, group: Group, generator: np.random.Generator) -> Asset:
    """A 12 m or 18 m bus (216 or 288 kWh) at a 60 kW depot charger."""
    return Asset(
        external_id=f"bus-{within:02d}",
        kind="bus_charger",
        category="depot",
        connection_ean=_connection(serial),
        max_import_w=60_000,
        max_export_w=0,
        min_import_w=0,
        pausing="can_pause",
        capacity_wh=int(generator.choice([216_000, 288_000])),
        min_level_wh=0,
        round_trip_efficiency="1",
        aggregation_ean=group.ean,
        behaviour="follows",
        can_pause=True,
        heat=None,
    )


def _battery(within: int, serial: int, group: Group, generator: np.random.Generator) -> Asset:  # noqa: ARG001 - one signature for all makers
    """The refurbished bus battery in its container; round trip assumed 85 %, a tenth kept back."""
    return Asset(
        external_id=f"battery-{within}",
        kind="battery",
        category="depot",
        connection_ean=_connection(serial),
        max_import_w=100_000,
        max_export_w=100_000,
        min_import_w=0,
        pausing="can_pause",
        capacity_wh=200_000,
        min_level_wh=20_000,
        round_trip_efficiency="0.850",
        aggregation_ean=group.ean,
        behaviour="follows",
        can_pause=True,
        heat=None,
    )


def _heat_pump(within: int, serial: int, group: Group, generator: np.random.Generator) -> Asset:
    """An insulated home with a buffer: time constant 50-110 h, 0.10-0.20 kW lost per kelvin, +-0.7 K comfort."""
    loss = float(generator.uniform(0.10, 0.20))
    capacity = loss * float(generator.uniform(50, 110))
    heat = HeatPhysics(
        loss_kw_per_kelvin=loss,
        capacity_kwh_per_kelvin=capacity,
        comfort_c=float(generator.uniform(19.5, 21.0)),
        band_kelvin=0.7,
        nominal_cop=float(generator.uniform(3.0, 3.8)),
    )
    return Asset(
        external_id=f"heat-{within:03d}",
        kind="heat_pump",
        category="heat",
        connection_ean=_connection(serial),
        max_import_w=3_000,
        max_export_w=0,
        min_import_w=0,
        pausing="can_pause",
        capacity_wh=round(2 * heat.band_kelvin * capacity * 1000),
        min_level_wh=0,
        round_trip_efficiency="1",
        aggregation_ean=group.ean,
        behaviour=_behaviour(generator),
        can_pause=True,
        heat=heat,
    )


_MAKERS = {
    "public": _charger("pub", "public", 0.0),
    "workplace": _charger("work", "workplace", 0.0),
    "home": _charger("home", "home", 0.4),
    "shared_car": _shared_car,
    "bus": _bus,
    "battery": _battery,
    "heat": _heat_pump,
}
