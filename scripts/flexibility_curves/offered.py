"""What sizing counts on, beside what a linear programme finds in the same sessions."""

from pathlib import Path

import numpy as np

from bidding.forecast.drawn_sessions import Sessions
from bidding.forecast.offer_totals import OfferTotals
from bidding.forecast.offers import Blocks, Room
from bidding.forecast.sessions import SessionTable
from bidding.optimisation.interface import ChargerTraits, WindowSpec
from bidding.replay.fleet import window_fleet
from bidding.replay.perfect_information import perfect_information_kw
from scripts.flexibility_curves.history import SETS, History, read_history
from scripts.flexibility_curves.markdown import row, table

DAYS = 60
FLOOR_KW = 1.38
HOURS = 17, 19
KINDS = {"one-way": (0.0, False), "6 A floor": (FLOOR_KW, False), "V2G": (0.0, True)}


def offered(data: Path) -> None:
    """Deliverable reduction 17-19 h, all sessions known: what sizing counts on beside the linear programme."""
    table("set", "cars", "linear programme, kW", "counted on, kW", "share", "share on the worst day in ten")
    for name in SETS:
        history = read_history(data, name)
        for kind, (floor_kw, v2g) in KINDS.items():
            exact, ours = np.array([_both(history, day, floor_kw=floor_kw, v2g=v2g) for day in _days(history)]).T
            shares = ours[exact > 0] / exact[exact > 0]
            means = f"{exact.mean():.1f}", f"{ours.mean():.1f}"
            row(name, kind, *means, f"{ours.mean() / exact.mean():.2f}", f"{np.quantile(shares, 0.1):.2f}")


def _days(history: History) -> list[tuple[int, int]]:
    weekdays = history.weekdays()
    chosen = np.random.default_rng(3).choice(len(weekdays), min(DAYS, len(weekdays)), replace=False)
    starts, ends = HOURS
    return [
        (int(history.instant_s(weekdays[place], starts)), int(history.instant_s(weekdays[place], ends)))
        for place in sorted(chosen)
    ]


def _both(history: History, window_s: tuple[int, int], *, floor_kw: float, v2g: bool) -> tuple[float, float]:
    sessions = _around(history, *window_s)
    window = WindowSpec(
        starts_s=window_s[0],
        ends_s=window_s[1],
        direction="reduce",
        baseline="arrival",
        reliability=0.9,
        min_bid_kw=1.0,
        step_kw=1.0,
    )
    if not len(sessions):
        return 0.0, 0.0
    traits = ChargerTraits(floor_kw=np.full(sessions.n_chargers, floor_kw), v2g=np.full(sessions.n_chargers, v2g))
    fleet = window_fleet(sessions, window=window, traits=traits, prices=None)
    totals = OfferTotals(window.edges_s, direction="reduce", scenarios=1)
    totals.add(
        Sessions(
            plug_in_s=fleet.plug_in_s,
            plug_out_s=fleet.plug_out_s,
            energy_kwh=fleet.energy_kwh,
            power_kw=fleet.power_kw,
            floor_kw=fleet.floor_kw,
            v2g=fleet.v2g,
        ),
        np.zeros(len(fleet), dtype=np.int64),
    )
    room = Room.of(totals.offer(), Blocks(fleet.ptus, fleet.ptu_h), "reduce")
    return perfect_information_kw(fleet, direction="reduce"), max(float(room.least_kw[0]), 0.0)


def _around(history: History, starts_s: int, ends_s: int) -> SessionTable:
    rows = np.flatnonzero((history.arrival_s < ends_s) & (history.departure_s > starts_s))
    return SessionTable.from_columns(
        charger_ids=[str(charger) for charger in history.charger[rows]],
        plug_in_s=history.arrival_s[rows].astype(np.int64),
        plug_out_s=history.departure_s[rows].astype(np.int64),
        energy_kwh=history.energy_kwh[rows],
        power_kw=history.power_kw[rows],
    )
