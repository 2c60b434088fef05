"""What one partner tells the aggregator: its assets and its past once, then what happens."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from aggregator.core.ptu import PTU_SECONDS
from assets.simulator.documents import (
    METER_HEADER,
    meter_lines,
    ptu_starts,
    registers_wh,
    session_row,
    state_rows,
    undisturbed,
)
from assets.simulator.faults import Faults
from assets.simulator.following import Judgement
from assets.simulator.partner_api import PartnerApi
from assets.simulator.portfolio import Asset
from assets.simulator.sessions import MINUTE, Floats
from assets.simulator.world import HEATING_HISTORY, SessionOutcome, World

SESSIONS_PER_POST = 10_000
VALUES_PER_POST = 20_000
STATES_EVERY_SECONDS = 300
"""Of an asset that nobody steers; one that is told something reports every minute."""

_Row = TypeVar("_Row")


@dataclass(slots=True)
class Happened:
    """What came about between `since` and the world's `now`, of all partners."""

    since: int
    begun: list[int] = field(default_factory=list)
    ended: list[SessionOutcome] = field(default_factory=list)
    judgements: dict[str, list[Judgement]] = field(default_factory=dict)


class Reporter:
    """Reports on the assets at `positions`, all of one partner; used by one thread at a time."""

    def __init__(
        self,
        *,
        key: str,
        positions: range,
        assets: list[Asset],
        world: World,
        api: PartnerApi,
        faults: Faults,
        told: Callable[[int], Floats],
    ) -> None:
        """Speak for the assets at `positions`; `told` returns what every asset is told in a minute."""
        self.api = api
        self._key = key
        self._positions = positions
        self._assets = assets
        self._names = [assets[position].external_id for position in positions]
        self._world = world
        self._faults = faults
        self._told = told

    def register(self) -> None:
        """Register the assets."""
        rows = [self._assets[position].registration() for position in self._positions]
        self.api.send("PUT", "/assets", {"assets": rows})

    def upload_history(self) -> None:
        """Report the sessions of the past, who is plugged in at the start, and what heat pumps took before."""
        sessions = self._world.sessions
        mine = np.isin(sessions.asset, np.array(self._positions))
        past = np.flatnonzero(mine & (sessions.plug_out < self._world.starts_at))
        self._post_sessions([self._session(outcome, is_over=True) for outcome in undisturbed(sessions, past)])
        self._post_sessions(self._open_sessions())
        heat = self._world.metered_assets_of_history
        if len(heat) and int(heat[0]) in self._positions:
            taken = registers_wh(self._world.heating_history_kwh)
            starts_at = self._world.starts_at - int(HEATING_HISTORY.total_seconds())
            self._post_values(
                meter_lines(
                    names=[self._assets[position].external_id for position in heat.tolist()],
                    starts=ptu_starts(starts_at, 0, len(taken)),
                    import_wh=taken,
                    export_wh=np.zeros_like(taken),
                )
            )

    def resume(self, outcomes: list[SessionOutcome]) -> None:
        """Go on from a checkpoint: what was reported until then was answered, so nothing is to be told."""

    def report(self, happened: Happened) -> None:
        """Report sessions, states every five minutes, meter values of every finished PTU, and results."""
        now = self._world.now
        ended = [outcome for outcome in happened.ended if self._is_mine(outcome.row)]
        # A charger takes one car at a time: who left is reported before who came.
        self._post_sessions([self._session(outcome, is_over=True) for outcome in ended])
        first, end = ((instant - self._world.starts_at) // PTU_SECONDS for instant in (happened.since, now))
        if end > first:
            self._post_sessions(self._open_sessions())
        else:
            over = {outcome.row for outcome in ended}
            begun = [row for row in happened.begun if self._is_mine(row) and row not in over]
            self._post_sessions([self._session(self._world.so_far(row), is_over=False) for row in begun])
        self._post_states(is_round=now // STATES_EVERY_SECONDS > happened.since // STATES_EVERY_SECONDS)
        if end > first:
            self._post_meter_values(first, end)
        judgements = happened.judgements.get(self._key)
        if judgements:
            self.api.send("POST", "/setpoints/results", {"results": [judgement.row() for judgement in judgements]})

    def _post_states(self, *, is_round: bool) -> None:
        """Report every asset when it is time, and those that are steered in between; who is offline says nothing."""
        mine = np.array(self._positions)
        last_minute = self._world.now - MINUTE
        speaks = is_round | ~np.isnan(self._told(last_minute)[mine])
        chosen = mine[speaks & ~self._faults.offline(last_minute)[mine]].tolist()
        if chosen:
            skewed = self._faults.has("clock_skew")
            rows = state_rows(world=self._world, positions=chosen, assets=self._assets, skewed=skewed)
            self.api.send("POST", "/states", {"states": rows})

    def _post_meter_values(self, first: int, end: int) -> None:
        imported, exported = (registers_wh(energy[:end, self._positions])[first:] for energy in self._world.metered_kwh)
        starts = ptu_starts(self._world.starts_at, first, end)
        self._post_values(meter_lines(names=self._names, starts=starts, import_wh=imported, export_wh=exported))

    def _is_mine(self, row: int) -> bool:
        return int(self._world.sessions.asset[row]) in self._positions

    def _session(self, outcome: SessionOutcome, *, is_over: bool) -> dict[str, Any]:
        sessions = self._world.sessions
        asset = self._assets[int(sessions.asset[outcome.row])]
        return session_row(sessions=sessions, asset=asset, outcome=outcome, is_over=is_over)

    def _open_sessions(self) -> list[dict[str, Any]]:
        mine = [row for row in self._world.open_sessions() if self._is_mine(row)]
        return [self._session(self._world.so_far(row), is_over=False) for row in mine]

    def _post_sessions(self, rows: list[dict[str, Any]]) -> None:
        for part in _in_parts(rows, SESSIONS_PER_POST):
            self.api.send("POST", "/sessions", {"sessions": part})

    def _post_values(self, lines: list[str]) -> None:
        for part in _in_parts(lines, VALUES_PER_POST):
            self.api.send_csv("/meter-values", [METER_HEADER, *part])


def _in_parts(rows: Sequence[_Row], size: int) -> Iterator[list[_Row]]:
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])
