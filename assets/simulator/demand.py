"""What drivers, reservations and timetables ask of a whole portfolio: history and evening in one table."""

from datetime import timedelta

import numpy as np

from aggregator.core.interval import Interval
from assets.simulator.config import SessionSource
from assets.simulator.portfolio import Portfolio
from assets.simulator.session_files import read_session_file, replay
from assets.simulator.session_profiles import draw_sessions, load_profile
from assets.simulator.sessions import Sessions, joined, with_declarations
from assets.simulator.timetables import bus_sessions, shared_car_sessions

SHARE_DECLARED = 0.4
"""Assumed share of drivers who say in an app when they leave and how much they need."""

_PLACES = ("public", "home", "workplace")


def sessions_of(*, portfolio: Portfolio, source: SessionSource, period: Interval) -> Sessions:
    """Return every session that touches the history weeks before `period` or `period` itself.

    Public, home and workplace chargers replay the file or draw from the profiles; shared cars and buses always follow
    their own assumptions. Raises `InvalidSessionFile`.
    """
    generator = np.random.default_rng([portfolio.seed, 1])
    whole = Interval(period.starts_at - timedelta(weeks=source.history_weeks), period.ends_at)
    assets = [asset for _, asset in portfolio.assets()]
    power = np.array([asset.max_import_w for asset in assets]) / 1000
    capacity = np.array([(asset.capacity_wh or 0) for asset in assets]) / 1000
    where = {
        category: np.array(
            [number for number, asset in enumerate(assets) if asset.category == category and asset.kind != "battery"]
        )
        for category in (*_PLACES, "shared_car", "depot")
    }
    places = {place: where[place] for place in _PLACES}
    if source.file is not None:
        file = read_session_file(source.file, source.zone)
        plain = replay(file=file, places=places, max_power_kw=power, period=whole, generator=generator)
    else:
        plain = joined(
            [
                draw_sessions(
                    profile=load_profile(place), assets=positions, max_power_kw=power, period=whole, generator=generator
                )
                for place, positions in places.items()
            ]
        )
    efficiency = float(next(a.round_trip_efficiency for a in assets if a.kind == "v2g_charger")) ** 0.5
    return joined(
        [
            with_declarations(plain, share=SHARE_DECLARED, generator=generator),
            shared_car_sessions(
                assets=where["shared_car"],
                capacity_kwh=capacity,
                power_kw=power,
                efficiency=efficiency,
                period=whole,
                generator=generator,
            ),
            bus_sessions(
                assets=where["depot"], capacity_kwh=capacity, power_kw=power, period=whole, generator=generator
            ),
        ]
    )
