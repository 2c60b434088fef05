"""A contribution is part of the group's record as well as of its forecast: a sure battery adds its whole power."""

import numpy as np

from bidding.forecast.sessions import PluggedIn, SessionTable
from bidding.forecast.window_forecast import ChargerGroup
from bidding.optimisation.interface import ChargerTraits, WindowSpec
from bidding.optimisation.sizing import Contribution, size_window

DAY_S, HOUR_S = 86_400, 3_600
WINDOW_STARTS_S = 1_768_406_400  # Wednesday 2026-01-14 17:00 in Utrecht
CHARGERS = 60


def history(days: int = 70) -> SessionTable:
    rng = np.random.default_rng(3)
    day = np.repeat(np.arange(1, days + 1), CHARGERS)
    plug_in = WINDOW_STARTS_S - day * DAY_S - HOUR_S + rng.integers(0, HOUR_S, len(day))
    return SessionTable.from_columns(
        charger_ids=[str(charger) for charger in np.tile(np.arange(CHARGERS), days)],
        plug_in_s=plug_in,
        plug_out_s=plug_in + 10 * HOUR_S,
        energy_kwh=rng.uniform(20, 40, len(day)),
        power_kw=np.full(len(day), 7.4),
    )


def bid_kw(contributions: list[Contribution]) -> float:
    sessions = history()
    nobody = np.zeros(0)
    group = ChargerGroup(
        name="home",
        history=sessions,
        plugged_in=PluggedIn(np.zeros(0, np.int32), np.zeros(0, np.int64), nobody, nobody, nobody),
        traits=ChargerTraits(floor_kw=np.zeros(sessions.n_chargers), v2g=np.zeros(sessions.n_chargers, np.bool_)),
    )
    window = WindowSpec(
        starts_s=WINDOW_STARTS_S, ends_s=WINDOW_STARTS_S + 3 * HOUR_S, direction="reduce", baseline="arrival",
        reliability=0.95, min_bid_kw=1, step_kw=1,
    )  # fmt: skip
    sized = size_window(
        window=window, now_s=WINDOW_STARTS_S - 2 * HOUR_S, timezone="Europe/Amsterdam", groups=[group],
        contributions=contributions, seed=1,
    )  # fmt: skip
    return sized.bid_kw


def test_a_sure_contribution_adds_its_whole_power():
    alone = bid_kw([])
    with_battery = bid_kw([Contribution(name="battery", power_kw=np.full(12, 50.0))])
    assert alone > 0
    assert 48 <= with_battery - alone <= 52
