"""What an OCPI partner tells the aggregator: places and the past on request, cars as they come and go."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from aggregator.core.ptu import PTU_SECONDS
from assets.simulator.documents import instant, undisturbed
from assets.simulator.faults import Faults
from assets.simulator.ocpi.objects import LOCATIONS_SINCE, location, session, session_id
from assets.simulator.ocpi.platform import OcpiPlatform
from assets.simulator.partner_api import PartnerApi, Stopped
from assets.simulator.portfolio import Asset
from assets.simulator.reporter import Happened, Reporter
from assets.simulator.sessions import Floats
from assets.simulator.world import SessionOutcome, World

FETCH_POLL_SECONDS = 0.1
FRESH_SECONDS = 300
"""Older news is not pushed: a platform that catches up leaves it to be fetched."""


class OcpiReporter(Reporter):
    """Reports one partner's assets over OCPI, and their meter values over REST."""

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
        platform: OcpiPlatform,
        stop: threading.Event,
    ) -> None:
        super().__init__(key=key, positions=positions, assets=assets, world=world, api=api, faults=faults, told=told)
        self._platform = platform
        self._stop = stop

    def register(self) -> None:
        """List the chargers and the past, then shake hands: the aggregator fetches both as soon as it knows us."""
        party = self._platform.party
        mine = [self._assets[position] for position in self._positions]
        self._platform.locations.put(
            (asset.external_id, LOCATIONS_SINCE, partial(location, party, asset)) for asset in mine
        )
        sessions = self._world.sessions
        is_past = (sessions.plug_out < self._world.starts_at) & np.isin(sessions.asset, np.array(self._positions))
        self._platform.sessions.put(
            self._object(outcome, is_over=True, told_at=int(sessions.plug_out[outcome.row]))
            for outcome in undisturbed(sessions, np.flatnonzero(is_past))
        )
        self._platform.register()

    def upload_history(self) -> None:
        """Wait until the aggregator has fetched the past; raise `Stopped` when shutting down."""
        while not self._platform.sessions.is_read_to_the_end.wait(FETCH_POLL_SECONDS):
            if self._stop.is_set():
                raise Stopped
        self._tell(self._open(), told_at=self._world.now, pushes=False)

    def resume(self, outcomes: list[SessionOutcome]) -> None:
        """Go on from a checkpoint: who left since the start is listed, who is there can be steered."""
        self._platform.sessions.put(
            self._object(outcome, is_over=True, told_at=int(self._world.sessions.plug_out[outcome.row]))
            for outcome in outcomes
            if self._is_mine(outcome.row)
        )
        self._tell(self._open(), told_at=self._world.now, pushes=False)

    def report(self, happened: Happened) -> None:
        """Tell who left and who came at once; how far the others are every quarter hour, to be fetched."""
        now = self._world.now
        self._platform.reconnect_stations(now)
        ended = [outcome for outcome in happened.ended if self._is_mine(outcome.row)]
        over = {outcome.row for outcome in ended}
        is_fresh = now - happened.since <= FRESH_SECONDS
        self._tell(ended, told_at=now, pushes=is_fresh, is_over=True)
        begun = [row for row in happened.begun if self._is_mine(row) and row not in over]
        self._tell([self._world.so_far(row) for row in begun], told_at=now, pushes=is_fresh)
        first, end = ((at - self._world.starts_at) // PTU_SECONDS for at in (happened.since, now))
        if end > first:
            self._tell(self._open(), told_at=now, pushes=False)
            self._post_meter_values(first, end)

    def _open(self) -> list[SessionOutcome]:
        return [self._world.so_far(row) for row in self._world.open_sessions() if self._is_mine(row)]

    def _tell(self, outcomes: Sequence[SessionOutcome], *, told_at: int, pushes: bool, is_over: bool = False) -> None:
        objects = [self._object(outcome, is_over=is_over, told_at=told_at) for outcome in outcomes]
        self._platform.sessions.put(objects)
        for (name, _, made), outcome in zip(objects, outcomes, strict=True):
            if is_over:
                self._platform.end(name, told_at)
            else:
                self._platform.begin(name, self._asset(outcome).external_id)
            if pushes and self._platform.pushes:
                self._platform.push(made())

    def _object(self, outcome: SessionOutcome, *, is_over: bool, told_at: int) -> tuple[str, str, Any]:
        sessions, asset = self._world.sessions, self._asset(outcome)
        power_kw = 0.0 if is_over else float(self._world.power_kw[int(sessions.asset[outcome.row])])
        made = partial(
            session,
            party=self._platform.party,
            sessions=sessions,
            asset=asset,
            outcome=outcome,
            is_over=is_over,
            told_at=told_at,
            power_kw=power_kw,
        )
        return session_id(sessions, outcome.row, asset), instant(told_at), made

    def _asset(self, outcome: SessionOutcome) -> Asset:
        return self._assets[int(self._world.sessions.asset[outcome.row])]
