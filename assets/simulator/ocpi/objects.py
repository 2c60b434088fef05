"""Assets and sessions of the simulated world as OCPI objects (mod_locations, mod_sessions)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from assets.simulator.documents import instant, session_name, wh
from assets.simulator.portfolio import SIX_AMPERE_W, Asset
from assets.simulator.sessions import NOT_DECLARED, Sessions
from assets.simulator.world import SessionOutcome

GRID_VOLTAGE = 230
LOCATIONS_SINCE = "2025-06-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Party:
    """The CPO as OCPI names it."""

    country_code: str
    party_id: str

    def fields(self) -> dict[str, str]:
        """Return the fields every object begins with."""
        return {"country_code": self.country_code, "party_id": self.party_id}


def phases_of(asset: Asset) -> int:
    """Return over how many phases an asset charges."""
    return 1 if asset.min_import_w == SIX_AMPERE_W else 3


def location(party: Party, asset: Asset) -> dict[str, Any]:
    """Return the Location of one charger, with its one EVSE."""
    phases = phases_of(asset)
    connector: dict[str, Any] = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": f"AC_{phases}_PHASE",
        "max_voltage": GRID_VOLTAGE,
        "max_amperage": -(-asset.max_import_w // (GRID_VOLTAGE * phases)),
        "max_electric_power": asset.max_import_w,
        "last_updated": LOCATIONS_SINCE,
    }
    capabilities = ["RFID_READER", "CHARGING_PROFILE_CAPABLE"]
    if asset.max_export_w:
        connector["max_discharge_power"] = asset.max_export_w
        capabilities.append("V2X_CAPABLE")
    evse = {
        "uid": asset.external_id,
        "status": "AVAILABLE",
        "capabilities": capabilities,
        "connectors": [connector],
        "last_updated": LOCATIONS_SINCE,
    }
    return {
        **party.fields(),
        "id": asset.external_id,
        "publish": asset.category == "public",
        "address": "Neude 1",
        "city": "Utrecht",
        "country": "NLD",
        "coordinates": {"latitude": "52.0930", "longitude": "5.1180"},
        "time_zone": "Europe/Amsterdam",
        "evses": [evse],
        "last_updated": LOCATIONS_SINCE,
    }


def session_id(sessions: Sessions, row: int, asset: Asset) -> str:
    """Return the session's id, unique for the whole CPO."""
    return f"{asset.external_id}-{session_name(sessions, row)}"


def session(
    *,
    party: Party,
    sessions: Sessions,
    asset: Asset,
    outcome: SessionOutcome,
    is_over: bool,
    told_at: int,
    power_kw: float,
) -> dict[str, Any]:
    """Return a Session as it stands at `told_at` (UTC seconds); `power_kw` is what it draws then."""
    row = outcome.row
    driver = int(sessions.driver[row])
    plug_in = instant(int(sessions.plug_in[row]))
    first: list[dict[str, Any]] = [{"type": "MAX_POWER", "volume": round(float(sessions.power_kw[row]), 3)}]
    if not np.isnan(sessions.target_kwh[row]) and asset.capacity_wh:
        first.append({"type": "STATE_OF_CHARGE", "volume": round(outcome.arrival_kwh / asset.capacity_wh * 1e5, 1)})
    periods = [{"start_date_time": plug_in, "dimensions": first}]
    if not is_over and told_at > int(sessions.plug_in[row]):
        now = [{"type": "POWER", "volume": round(power_kw, 3)}]
        periods.append({"start_date_time": instant(told_at), "dimensions": now})
    document: dict[str, Any] = {
        **party.fields(),
        "id": session_id(sessions, row, asset),
        "start_date_time": plug_in,
        "kwh": max(wh(outcome.charged_kwh - outcome.discharged_kwh), 0) / 1000,
        "cdr_token": {
            "country_code": "NL",
            "party_id": "SIM",
            "uid": f"{driver:014X}",
            "type": "RFID",
            "contract_id": f"NL-SIM-C{driver:08d}-X",
        },
        "auth_method": "WHITELIST",
        "location_id": asset.external_id,
        "evse_uid": asset.external_id,
        "connector_id": "1",
        "currency": "EUR",
        "charging_periods": periods,
        "status": "COMPLETED" if is_over else "ACTIVE",
        "last_updated": instant(told_at),
    }
    if is_over:
        document["end_date_time"] = instant(int(sessions.plug_out[row]))
    if sessions.declared_departure[row] != NOT_DECLARED:
        document["charging_preferences"] = _preferences(sessions, asset, outcome)
    return document


def _preferences(sessions: Sessions, asset: Asset, outcome: SessionOutcome) -> dict[str, Any]:
    """Return what the driver declared, in the field the aggregator asks for."""
    row = outcome.row
    need = float(sessions.need_kwh[row])
    target = float(sessions.target_kwh[row])
    if not np.isnan(target):
        need = max(target - outcome.arrival_kwh, 0.0) / float(asset.round_trip_efficiency) ** 0.5
    return {
        "profile_type": "REGULAR",
        "departure_time": instant(int(sessions.declared_departure[row])),
        "energy_need": round(need, 3),
        "declared_at": instant(int(sessions.plug_in[row])),
        "discharge_allowed": asset.max_export_w > 0,
    }


def utc_seconds(text: str) -> int:
    """Return the UTC second of a DateTime; one without a zone is UTC."""
    moment = datetime.fromisoformat(text)
    return int((moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp())
