"""Small fleets for tests of the replay: a two-hour window from 17:00 UTC on 2024-01-02, hours counted from there."""

import numpy as np

from bidding.forecast.outlook import Outlook
from bidding.forecast.sessions import SessionTable
from bidding.optimisation.interface import ChargerTraits, WindowSpec
from bidding.replay.fleet import WindowFleet, window_fleet

START_S = 1704214800


def table(*cars: tuple[float, float, float, float]) -> SessionTable:
    """One charger per (plug-in hour, plug-out hour, energy, power)."""
    return SessionTable.from_columns(
        charger_ids=[f"c{number:03d}" for number in range(len(cars))],
        plug_in_s=[round(START_S + 3600 * car[0]) for car in cars],
        plug_out_s=[round(START_S + 3600 * car[1]) for car in cars],
        energy_kwh=[car[2] for car in cars],
        power_kw=[car[3] for car in cars],
    )


def window(ptus: int = 8, **changes) -> WindowSpec:
    fields = {
        "starts_s": START_S,
        "ends_s": START_S + 900 * ptus,
        "direction": "reduce",
        "baseline": "arrival",
        "reliability": 0.9,
        "min_bid_kw": 1.0,
        "step_kw": 1.0,
    }
    return WindowSpec(**(fields | changes))


def fleet(*cars, ptus: int = 8, floor_kw: float = 0.0, v2g: bool | list[bool] = False, **changes) -> WindowFleet:
    sessions = table(*cars)
    flags = np.broadcast_to(np.asarray(v2g, dtype=bool), (len(cars),))
    order = [int(name[1:]) for name in sessions.charger_ids]
    traits = ChargerTraits(floor_kw=np.where(flags[order], 0.0, floor_kw), v2g=flags[order])
    prices = changes.pop("prices", None)
    return window_fleet(sessions, window=window(ptus, **changes), traits=traits, prices=prices)


def told_outlook(fleet: WindowFleet) -> Outlook:
    """An outlook that happens to be right about everything."""
    stay_h = (fleet.plug_out_s - fleet.plug_in_s)[:, None] / 3600
    return Outlook(stay_h=stay_h, energy_kwh=fleet.energy_kwh[:, None], weight=np.full((len(fleet), 1), 1e6), own=1)
