"""The simulated CPO itself: follows the clock, moves the world, and keeps the aggregator informed."""

import copy
import hashlib
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from operator import methodcaller
from typing import Any

import numpy as np

from aggregator.core.clock import Clock
from aggregator.core.http import HttpClient
from aggregator.core.ptu import PTU_SECONDS
from assets.simulator.checkpoint import StateDirectory
from assets.simulator.config import Configuration, InvalidConfiguration
from assets.simulator.demand import sessions_of
from assets.simulator.documents import instant, wh
from assets.simulator.faults import Faults
from assets.simulator.following import Judgement, judge, judged_ptus
from assets.simulator.http_server import SimulatorServer
from assets.simulator.inbox import Inbox, ReceivedBatch, write_durably
from assets.simulator.interfaces import Interfaces
from assets.simulator.ocpi.door import door_of
from assets.simulator.portfolio import build_portfolio
from assets.simulator.report import build_report
from assets.simulator.reporter import Happened, Reporter
from assets.simulator.sessions import MINUTE
from assets.simulator.setpoints import Schedule
from assets.simulator.world import SessionOutcome, World

logger = logging.getLogger(__name__)

LONGEST_STRIDE_SECONDS = 2 * 3600
LONGEST_NAP_SECONDS = 0.25
SHORTEST_NAP_SECONDS = 0.005


class Simulator:
    """One process's worth of CPOs. `stop` ends it between two requests."""

    def __init__(self, *, configuration: Configuration, clock: Clock, http: HttpClient, stop: threading.Event) -> None:
        self._clock = clock
        self._stop = stop
        self._portfolio = build_portfolio(seed=configuration.seed, scale=configuration.scale)
        missing = {partner.key for partner in self._portfolio.partners} - configuration.partners.keys()
        if missing:
            raise InvalidConfiguration(f"The configuration lacks credentials of the partners {sorted(missing)}.")
        assets = [asset for _, asset in self._portfolio.assets()]
        self._faults = Faults(shares=configuration.faults, n=len(assets), seed=configuration.seed)
        sessions = sessions_of(portfolio=self._portfolio, source=configuration.sessions, period=configuration.period)
        self._world = World(
            portfolio=self._portfolio,
            sessions=self._faults.cut_short(sessions, since=int(configuration.period.starts_at.timestamp())),
            period=configuration.period,
            never_wakes=self._faults.has("never_wakes"),
        )
        self._undisturbed = copy.deepcopy(self._world)
        self._files = StateDirectory(configuration.state_directory, identity=_identity(configuration))
        hurried = {assets[position].external_id for position in np.flatnonzero(self._faults.has("too_often")).tolist()}
        self._inbox = Inbox(
            directory=self._files.batches, partners=self._portfolio.partners, now=clock.now, hurried=hurried
        )
        self._positions = {asset.external_id: position for position, asset in enumerate(assets)}
        self._schedule = Schedule(period=configuration.period, positions=self._positions)
        self._applied: dict[int, ReceivedBatch] = {}
        self._outcomes: list[SessionOutcome] = []
        self._lock = threading.Lock()
        """Held while the world moves and while a report looks at it."""
        self._phase = "starting"
        self._is_registered = False
        self._reported_until = self._world.starts_at
        self._interfaces = Interfaces(
            configuration=configuration,
            world=self._world,
            faults=self._faults,
            told=self._schedule.at,
            inbox=self._inbox,
            http=http,
            clock=clock,
            stop=stop,
            reporters=[],
            platforms={},
        )
        self._interfaces.add_all(self._portfolio)
        self._reporters = self._interfaces.reporters
        self.server = SimulatorServer(
            address=(configuration.listen_host, configuration.listen_port),
            inbox=self._inbox,
            secrets={key: credentials.callback_secret for key, credentials in configuration.partners.items()},
            pages={"/healthz": self._health, "/progress": self._progress, "/report": self._report},
            doors={key: door_of(platform, clock) for key, platform in self._interfaces.platforms.items()},
        )

    def run(self) -> None:
        """Serve callbacks and play until `stop` is set; raise `Stopped` when that interrupts a call."""
        threading.Thread(target=self.server.serve_forever, name="callbacks", daemon=True).start()
        try:
            with ThreadPoolExecutor(len(self._reporters)) as pool:
                self._begin(pool)
                self._play(pool)
            self._stop.wait()
        finally:
            self.server.shutdown()
            self.server.server_close()

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        """Go on from the checkpoint, or tell the aggregator who we are and what was."""
        self._phase = "registering"
        _for_each(pool, self._reporters, methodcaller("register"))
        self._is_registered = True
        saved = self._files.load()
        if saved is None:
            self._phase = "history"
            _for_each(pool, self._reporters, methodcaller("upload_history"))
            self._save()
        else:
            with self._lock:
                self._outcomes = [
                    SessionOutcome(int(row), *energies)
                    for row, energies in zip(saved["outcome_rows"], saved["outcome_kwh"].tolist(), strict=True)
                ]
                self._world.restore(saved)
            _for_each(pool, self._reporters, methodcaller("resume", self._outcomes))
            logger.info("Going on from %s", instant(self._world.now))
        self._reported_until = self._world.now
        self._phase = "running"

    def _play(self, pool: ThreadPoolExecutor) -> None:
        saved_until = self._world.now
        while self._world.now < self._world.ends_at and not self._stop.is_set():
            horizon = self._horizon()
            if horizon <= self._world.now:
                self._nap()
                continue
            happened = self._advance(horizon)
            _for_each(pool, self._reporters, methodcaller("report", happened))
            self._reported_until = self._world.now
            if self._world.now // PTU_SECONDS > saved_until // PTU_SECONDS:
                self._save()
                saved_until = self._world.now
        if self._world.now >= self._world.ends_at:
            write_durably(self._files.report, json.dumps(self._report()[1]).encode())
            self._phase = "finished"

    def _horizon(self) -> int:
        """Return the end of the last whole minute that has passed, at most a stride ahead."""
        passed = int(self._clock.now().timestamp()) // MINUTE * MINUTE
        return min(passed, self._world.ends_at, self._world.now + LONGEST_STRIDE_SECONDS)

    def _nap(self) -> None:
        following = datetime.fromtimestamp(self._world.now + MINUTE, UTC)
        wait = self._clock.real_seconds(max(following - self._clock.now(), timedelta()))
        self._stop.wait(min(max(wait, SHORTEST_NAP_SECONDS), LONGEST_NAP_SECONDS))

    def _advance(self, horizon: int) -> Happened:
        """Simulate up to `horizon`, letting each batch of setpoints in at its minute."""
        waiting = [batch for batch in self._inbox.claim(horizon) if batch.batch.batch_id not in self._applied]
        waiting.sort(key=lambda batch: (batch.effective_at, batch.batch.batch_id), reverse=True)
        with self._lock:
            happened = Happened(since=self._world.now)
            heard = _Heard(self._faults, self._schedule)
            while self._world.now < horizon:
                while waiting and waiting[-1].effective_at <= self._world.now:
                    batch = waiting.pop()
                    self._schedule.apply(batch.batch.batch_id, batch.accepted, came_at=batch.effective_at)
                    self._applied[batch.batch.batch_id] = batch
                begun, ended = self._world.advance(heard)
                happened.begun += begun
                happened.ended += ended
            self._outcomes += happened.ended
            for partner, judgement in self._judgements(since=happened.since):
                happened.judgements.setdefault(partner, []).append(judgement)
        return happened

    def _judgements(self, *, since: int) -> list[tuple[str, Judgement]]:
        """Return the verdicts that fell after `since`, each with its partner."""
        verdicts = []
        for batch in self._applied.values():
            for setpoint in batch.accepted:
                ptus = judged_ptus(setpoint, batch.effective_at)
                position = self._positions[setpoint.asset]
                delay = self._faults.result_delay_s(position)
                if ptus and since < ptus[-1] + PTU_SECONDS + delay <= self._world.now:
                    numbers = (np.array(ptus) - self._world.starts_at) // PTU_SECONDS
                    energy = self._world.metered_kwh[:, numbers, position]
                    net_wh = [float(wh(kwh)) for kwh in (energy[0] - energy[1]).tolist()]
                    verdict = judge(setpoint=setpoint, ptus=ptus, net_wh=net_wh, schedule=self._schedule)
                    if verdict:
                        verdicts += [(batch.partner, verdict)] * self._faults.result_copies(position)
        return verdicts

    def _save(self) -> None:
        energies = [
            (outcome.arrival_kwh, outcome.charged_kwh, outcome.discharged_kwh, outcome.missing_kwh)
            for outcome in self._outcomes
        ]
        outcomes = {
            "outcome_rows": np.array([outcome.row for outcome in self._outcomes], dtype=np.int64),
            "outcome_kwh": np.array(energies, dtype=np.float64).reshape(-1, 4),
        }
        self._files.save(self._world.state() | outcomes)

    def _health(self) -> tuple[HTTPStatus, dict[str, Any]]:
        is_ready = self._phase in {"running", "finished"}
        return HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE, {"phase": self._phase}

    def _progress(self) -> tuple[HTTPStatus, dict[str, Any]]:
        return HTTPStatus.OK, {
            "phase": self._phase,
            "registered": self._is_registered,
            "simulated_until": instant(self._world.now),
            "reported_until": instant(self._reported_until),
            "refused_requests": self._interfaces.refused,
        }

    def _report(self) -> tuple[HTTPStatus, dict[str, Any]]:
        with self._lock:
            while self._undisturbed.now < self._world.now:
                self._undisturbed.advance(_Untold(self._world.n))
            return HTTPStatus.OK, build_report(
                portfolio=self._portfolio,
                world=self._world,
                undisturbed=self._undisturbed,
                outcomes=self._outcomes,
                batches=self._inbox.all_batches(),
                judgements=[verdict for _, verdict in self._judgements(since=0)],
                faults=self._faults,
            )


class _Heard:
    """Limits as the assets hear them, faults and all."""

    def __init__(self, faults: Faults, schedule: Schedule) -> None:
        self._faults, self._schedule = faults, schedule

    def at(self, minute: int) -> Any:
        return self._faults.heard(self._schedule, minute)


class _Untold:
    """Limits of a world that nobody steers."""

    def __init__(self, n: int) -> None:
        self._nothing = np.full(n, np.nan)

    def at(self, minute: int) -> Any:  # noqa: ARG002 - the same in every minute
        return self._nothing


def _for_each(pool: ThreadPoolExecutor, reporters: list[Reporter], action: Callable[[Reporter], None]) -> None:
    for done in [pool.submit(action, reporter) for reporter in reporters]:
        done.result()


def _identity(configuration: Configuration) -> str:
    """Return what must be the same for a checkpoint to make sense."""
    source = configuration.sessions
    content = hashlib.sha256(source.file.read_bytes()).hexdigest() if source.file else "profiles"
    return json.dumps(
        {
            "starts_at": configuration.period.starts_at.isoformat(),
            "ends_at": configuration.period.ends_at.isoformat(),
            "seed": configuration.seed,
            "scale": configuration.scale,
            "sessions": content,
            "zone": source.zone.key,
            "history_weeks": source.history_weeks,
            "faults": asdict(configuration.faults),
        }
    )
