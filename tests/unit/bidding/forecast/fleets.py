"""Made-up fleets with a rhythm: cars come in the afternoon and leave in the morning, with a chance of staying away."""

from datetime import UTC, datetime

import numpy as np

from bidding.forecast.sessions import SessionTable
from bidding.forecast.window_forecast import ChargerGroup
from bidding.optimisation.interface import ChargerTraits

DAY_S = 86_400
MONDAY_S = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())


def evening_fleet(*, chargers: int, days: int, seed: int = 0, power_kw: float = 7.4) -> SessionTable:
    """Sessions from about 15:30 to 07:30 UTC, each charger with its own need of 10 to 35 kWh, on nine of ten days."""
    rng = np.random.default_rng(seed)
    day, charger = np.divmod(np.arange(days * chargers), chargers)
    need_kwh = rng.uniform(10.0, 35.0, chargers)
    comes = rng.random(len(day)) < 0.9
    day, charger = day[comes], charger[comes]
    plug_in_s = MONDAY_S + day * DAY_S + (15.5 * 3600 + 2700 * rng.standard_normal(len(day))).astype(np.int64)
    plug_out_s = MONDAY_S + (day + 1) * DAY_S + (7.5 * 3600 + 1800 * rng.standard_normal(len(day))).astype(np.int64)
    return SessionTable.from_columns(
        charger_ids=[f"C{number:04d}" for number in charger],
        plug_in_s=plug_in_s,
        plug_out_s=plug_out_s,
        energy_kwh=np.maximum(need_kwh[charger] + rng.standard_normal(len(day)), 1.0),
        power_kw=np.full(len(day), power_kw),
    )


def traits(chargers: int, *, floor_kw: float = 0.0, v2g: bool = False) -> ChargerTraits:
    return ChargerTraits(floor_kw=np.full(chargers, floor_kw), v2g=np.full(chargers, v2g))


def group_at(sessions: SessionTable, now_s: int, *, name: str = "home", v2g: bool = False) -> ChargerGroup:
    """What is known of a fleet at an instant."""
    return ChargerGroup(
        name=name,
        history=sessions.completed_before(now_s),
        plugged_in=sessions.plugged_in_at(now_s),
        traits=traits(sessions.n_chargers, v2g=v2g),
    )


def instant_s(day: int, hour: float) -> int:
    return MONDAY_S + day * DAY_S + int(hour * 3600)
