"""Turns the world into the rows of the field contract: sessions, states, meter values.

Energies are rounded on a register that only counts on, so the rounded intervals add up to the rounded total.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregator.core.ptu import PTU_SECONDS
from assets.simulator.faults import SKEW_SECONDS
from assets.simulator.portfolio import Asset
from assets.simulator.sessions import NOT_DECLARED, Floats, Integers, Seconds, Sessions
from assets.simulator.world import SessionOutcome, World

METER_HEADER = "asset,starts_at,import_wh,export_wh"


def instant(utc_seconds: int) -> str:
    """Return the instant as the contract writes it."""
    return datetime.fromtimestamp(utc_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def wh(kwh: float) -> int:
    """Return whole watt-hours."""
    return round(kwh * 1000)


def session_name(sessions: Sessions, row: int) -> str:
    """Return the partner's name of a session, unique per asset."""
    return datetime.fromtimestamp(int(sessions.plug_in[row]), UTC).strftime("%Y%m%dT%H%MZ")


def session_row(*, sessions: Sessions, asset: Asset, outcome: SessionOutcome, is_over: bool) -> dict[str, Any]:
    """Return a session as a row of POST /sessions; the energy is what stayed in the car."""
    row = outcome.row
    energy = max(wh(outcome.charged_kwh - outcome.discharged_kwh), 0)
    document: dict[str, Any] = {
        "asset": asset.external_id,
        "external_id": session_name(sessions, row),
        "plug_in_at": instant(int(sessions.plug_in[row])),
        "energy_wh": energy,
        "max_import_w": wh(float(sessions.power_kw[row])),
    }
    target = float(sessions.target_kwh[row])
    need = float(sessions.need_kwh[row])
    if np.isnan(target):
        document["driver_token"] = f"card-{int(sessions.driver[row])}"
    else:
        document["arrival_level_wh"] = wh(outcome.arrival_kwh)
        need = max(target - outcome.arrival_kwh, 0.0) / float(asset.round_trip_efficiency) ** 0.5
    if sessions.declared_departure[row] != NOT_DECLARED:
        document["declared_departure_at"] = instant(int(sessions.declared_departure[row]))
        document["declared_energy_wh"] = wh(need)
        document["declared_at"] = document["plug_in_at"]
    if is_over:
        document["plug_out_at"] = instant(int(sessions.plug_out[row]))
        document["required_energy_wh"] = energy + wh(outcome.missing_kwh)
    return document


def undisturbed(sessions: Sessions, rows: Integers) -> list[SessionOutcome]:
    """Return what drivers of the past got: everything their cars could take, as nobody steered then."""
    return [
        SessionOutcome(row=row, arrival_kwh=arrival, charged_kwh=charged, discharged_kwh=0.0, missing_kwh=0.0)
        for row, arrival, charged in zip(
            rows.tolist(), sessions.arrival_kwh[rows].tolist(), sessions.possible_kwh[rows].tolist(), strict=True
        )
    ]


def state_rows(
    *, world: World, positions: Sequence[int], assets: list[Asset], skewed: npt.NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Return the newest state of the assets at `positions` as rows of POST /states; the clocks of `skewed` run fast."""
    levels = world.levels_kwh()
    plugs, taken = world.is_plugged()
    plugged = dict(zip(plugs.tolist(), taken.tolist(), strict=True))
    at, too_late = instant(world.now), instant(world.now + SKEW_SECONDS)
    rows = []
    for position, power, level in zip(
        positions, world.power_kw[positions].tolist(), levels[positions].tolist(), strict=True
    ):
        row: dict[str, Any] = {
            "asset": assets[position].external_id,
            "at": too_late if skewed[position] else at,
            "power_w": wh(power),
            "is_available": True,
        }
        if not np.isnan(level):
            row["level_wh"] = wh(level)
        if position in plugged:
            row["is_plugged_in"] = plugged[position]
        rows.append(row)
    return rows


def registers_wh(metered_kwh: Floats) -> Integers:
    """Return whole watt-hours per PTU (P, n) from energies (P, n), rounding a register that counts on."""
    register = np.round(np.cumsum(metered_kwh, axis=0) * 1000).astype(np.int64)
    return np.diff(register, axis=0, prepend=0)


def meter_lines(*, names: list[str], starts: Seconds, import_wh: Integers, export_wh: Integers) -> list[str]:
    """Return CSV lines for assets (n) over PTUs (P) from energies of shape (P, n)."""
    return [
        f"{name},{at},{taken},{given}"
        for at, took, gave in zip(map(instant, starts.tolist()), import_wh.tolist(), export_wh.tolist(), strict=True)
        for name, taken, given in zip(names, took, gave, strict=True)
    ]


def ptu_starts(starts_at: int, first: int, end: int) -> Seconds:
    """Return the starts of PTUs number `first` up to `end` counted from `starts_at`."""
    return starts_at + np.arange(first, end, dtype=np.int64) * PTU_SECONDS
