"""The demo's story: one congested evening, from announcement to statement, step by step.

The director moves the shared clock. It runs fast while nothing is at stake and waits whenever a process lags, so the
evening comes out the same on a slow machine, and with a process killed and restarted in the middle of it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

from django.db import InterfaceError, OperationalError, connections
from django.db.models import QuerySet
from rich.progress import Progress

from aggregator.core.interval import Interval
from aggregator.core.models import OutboxMessage
from aggregator.core.ptu import MARKET_ZONE, PTU, ptu_start
from aggregator.demo import called
from aggregator.demo import portfolio as fleet
from aggregator.demo.stage import Stage
from assets.control.channel import SETPOINTS_CHANNEL
from assets.models import Setpoint
from assets.simulator.faults import mixed_faults
from assets.simulator.portfolio import Portfolio, build_portfolio
from bidding.models import Activation, Announcement, Bid, NoBid

SEED = 20260114
DAY = date(2026, 1, 14)
SCENARIO = "called_evening"
LARGEST_LAG = timedelta(minutes=20)  # meter values of a PTU come after it: a little over one PTU is no lag
LARGEST_LAG_AT_NIGHT = timedelta(hours=4)
PLAN_IS_DUE = timedelta(minutes=5)
LOOK_IS_DUE = timedelta(minutes=3)
"""A look at a running activation, and the sending of a setpoint: in life both happen within the minute."""
POLL_SECONDS = 0.05
STEP_TIMEOUT_SECONDS = 600.0
"""A busy machine plays the same evening, only later."""
ENDED = {Bid.Status.CLEARED, Bid.Status.PARTLY_CLEARED, Bid.Status.NOT_CLEARED}


class StepFailed(RuntimeError):
    """A step of the evening did not happen; the message names it."""


@dataclass(slots=True)
class Evening:
    """Plays the evening on a stage."""

    stage: Stage
    progress: Progress
    day: date = DAY
    scale: float = 1.0
    sessions_file: Path | None = None
    sessions_zone: str = "Europe/Amsterdam"
    misbehaving: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    portfolio: Portfolio = field(init=False)

    def __post_init__(self) -> None:
        self.portfolio = build_portfolio(seed=SEED, scale=self.scale)

    @staticmethod
    def starts_at(day: date) -> datetime:
        """Return the instant at which the evening of `day` begins to be played."""
        return datetime.combine(day, clock_time(15, 15), MARKET_ZONE)

    @property
    def period(self) -> Interval:
        """What is played: the afternoon to the next noon, when the last car has left."""
        return Interval(self.starts_at(self.day), self.local(12, 0) + timedelta(days=1))

    def local(self, hour: int, minute: int) -> datetime:
        """Return an instant of the demo's day in Dutch time."""
        return datetime.combine(self.day, clock_time(hour, minute), MARKET_ZONE)

    def prepare(self) -> None:
        """Start everything; in an empty database, register the fleet with its history."""
        stage = self.stage
        with self.step("Bring the databases up to date"):
            stage.migrate()
        is_fresh = fleet.is_fresh()
        with self.step("Start the mock market, the service and its workers"):
            if is_fresh:
                self._set_the_scene()
            else:
                stage.start_market()
                stage.tell_market_our_endpoint()
                stage.start_service()
            fleet.point_callbacks(portfolio=self.portfolio, simulator_url=stage.simulator_url)
            stage.start_simulator()
        if is_fresh:
            self._bring_in_fleet()

    def _set_the_scene(self) -> None:
        """Start market and service, and meanwhile enter what an operator would enter."""
        stage = self.stage
        own_key = called.make_key(stage)
        stage.start_market()
        credentials = fleet.register(portfolio=self.portfolio, now=stage.clock.now())
        self._write_simulator_config(credentials)
        stage.load_scenario(SCENARIO, self._scenario_parameters() | called.scenario_parameters(stage, own_key()))
        contract_is_entered = called.enter_contract(stage, day=self.day)
        stage.start_service()
        contract_is_entered()

    def _bring_in_fleet(self) -> None:
        stage = self.stage
        with self.step("The partners register their assets"):
            self.wait(lambda: bool((self._simulator() or {}).get("registered")))
            enrolled_from = self.local(0, 0) - timedelta(weeks=8)
            fleet.enrol(portfolio=self.portfolio, starts_at=enrolled_from, now=stage.clock.now())
        with self.step("The partners upload past sessions"):
            stage.wait_for_http(
                "The simulated CPO", f"{stage.simulator_url}/healthz", timeout_seconds=STEP_TIMEOUT_SECONDS
            )

    def play(self) -> None:
        """Play from the afternoon until everything is settled."""
        stage = self.stage
        groups = len(self.portfolio.groups)
        with self.step("A grid operator calls the contract of the homes"):
            self.run_until(self.local(15, 21), speed=600)
            self.wait(lambda: called.is_taken_on(stage))
        with self.step("Congestion is announced for 17:00 to 20:00"):
            self.run_until(self.local(15, 31), speed=600)
            self.wait(lambda: Announcement.objects.count() >= len(self.portfolio.areas))
        with self.step("Bids are sized and placed on the exchange"):
            self.wait(lambda: Bid.objects.count() + NoBid.objects.count() == groups)
            self._require_bids()
            self.wait(lambda: not Bid.objects.exclude(status=Bid.Status.SUBMITTED).exists())
        with self.step("The market clears"):
            self.run_until(self.local(16, 46), speed=1200)  # orders that are not cleared expire at the gate
            self.wait(lambda: not Bid.objects.exclude(status__in=ENDED).exists())
        with self.step("Setpoints go to the partners"):
            self.run_until(self.local(16, 52), speed=600)
            self.wait(lambda: not Activation.objects.filter(planned_until=None).exists())
            self.wait(lambda: Setpoint.objects.exclude(status=Setpoint.Status.PENDING).exists())
            self.wait(lambda: not _waiting_setpoints().exists())
        with self.step("The fleet delivers"):
            self.run_until(self.local(20, 0), speed=300, ready=self._is_steered)
            self.run_until(self.local(20, 31), speed=1000)
            self.wait(lambda: not Activation.objects.filter(status__in=["planned", "running"]).exists())
        with self.step("Cars charge through the night and leave"):
            self.run_until(self.period.ends_at, speed=6000, lag=LARGEST_LAG_AT_NIGHT)
            self.wait(lambda: (self._simulator() or {}).get("phase") == "finished")
            self._require_no_refusals()
        with self.step("Deliveries are settled on meter values"):
            self.wait(lambda: not Activation.objects.exclude(status=Activation.Status.SETTLED).exists())

    def simulator_report(self) -> dict[str, Any]:
        """Return what the simulated CPO says of drivers and true power."""
        report = self.stage.get_json(f"{self.stage.simulator_url}/report")
        if report is None:
            raise StepFailed("The simulated CPO does not answer for its report.")
        return dict(report)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show one step as it happens, time it, and give its name to whatever goes wrong."""
        task = self.progress.add_task(name, total=None)
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            self.progress.update(task, description=f"[red]✗ {name}")
            raise StepFailed(f"“{name}” failed: {error}") from error
        self.timings[name] = round(time.monotonic() - started, 2)
        self.progress.update(task, description=f"[green]✓ {name}", total=1, completed=1)
        if not self.progress.console.is_terminal:  # a log shows no moving bars
            self.progress.console.print(f"✓ {name} ({self.timings[name]} s)")

    def wait(self, is_done: Callable[[], bool], *, timeout_seconds: float = STEP_TIMEOUT_SECONDS) -> None:
        """Wait, with the clock as it is, until something is true."""
        self.stage.supervisor.wait_until("the step", lambda: _is_so(is_done), timeout_seconds=timeout_seconds)

    def run_until(
        self,
        instant: datetime,
        *,
        speed: float,
        lag: timedelta = LARGEST_LAG,
        ready: Callable[[datetime], bool] | None = None,
    ) -> None:
        """Let virtual time pass up to `instant`, standing still while the simulator or a plan is behind."""
        clock = self.stage.clock
        moved_at = time.monotonic()
        is_running = False
        while (now := clock.now()) < instant:
            self.stage.supervisor.check()
            may_run = self._keeps_up(now, lag) and (ready is None or _is_so(lambda: ready(now)))
            left = (instant - now).total_seconds()
            if may_run:
                # The last stretch is slower, so that the clock stops at the instant and not beyond it.
                clock.set_speed(min(speed, max(left / (2 * POLL_SECONDS), 1.0)))
                moved_at = time.monotonic()
            elif is_running:
                clock.set_speed(0)
            if time.monotonic() - moved_at > STEP_TIMEOUT_SECONDS:
                raise StepFailed(f"nothing moved for {STEP_TIMEOUT_SECONDS:.0f} s at {now.isoformat()}")
            is_running = may_run
            time.sleep(POLL_SECONDS)
        clock.set_speed(0)

    def _keeps_up(self, now: datetime, lag: timedelta) -> bool:
        reported = (self._simulator() or {}).get("reported_until")
        return reported is not None and now - datetime.fromisoformat(reported) <= lag

    def _is_steered(self, now: datetime) -> bool:
        """Tell whether the closed loop keeps up: it looked of late, its setpoints are sent, the next PTU is planned."""
        running = Activation.objects.filter(starts_at__lte=now - LOOK_IS_DUE, ends_at__gt=now, stop_reason="")
        return (
            not running.filter(updated_at__lt=now - LOOK_IS_DUE).exists()
            and not _waiting_setpoints().filter(created_at__lt=now - LOOK_IS_DUE).exists()
            and self._is_planned(now)
        )

    def _is_planned(self, now: datetime) -> bool:
        """Tell whether the next PTU of every running activation is planned, or there is time left to plan it."""
        following = ptu_start(now) + PTU
        if following - now > PLAN_IS_DUE:
            return True
        late = Activation.objects.filter(
            starts_at__lte=following, ends_at__gt=following, stop_reason="", planned_until__lt=following
        )
        return not late.exists()

    def _write_simulator_config(self, credentials: dict[str, dict[str, Any]]) -> None:
        period = self.period
        self.stage.write_simulator_config(
            {
                "day": self.day.isoformat(),
                "starts_at": period.starts_at.isoformat(),
                "ends_at": period.ends_at.isoformat(),
                "portfolio": {"seed": self.portfolio.seed, "scale": self.portfolio.scale},
                "sessions": {"file": self._file(), "zone": self.sessions_zone, "history_weeks": 8},
                "partners": credentials,
                "faults": asdict(mixed_faults(self.misbehaving)),
            }
        )

    def _require_bids(self) -> None:
        """Require a bid of some group; with sessions of a file, those of others may be too unsure for any."""
        refusals = NoBid.objects.order_by("pk").values_list("aggregation_ean__name", "reason")
        if not Bid.objects.exists():
            raise StepFailed("; ".join(f"{name}: {reason}" for name, reason in refusals))

    def _require_no_refusals(self) -> None:
        refused = (self._simulator() or {}).get("refused_requests", 0)
        if refused:
            raise StepFailed(f"the service refused {refused} requests of the simulated CPO; its log says which")

    def _simulator(self) -> dict[str, Any] | None:
        progress: dict[str, Any] | None = self.stage.get_json(f"{self.stage.simulator_url}/progress")
        return progress

    def _file(self) -> str | None:
        return str(self.sessions_file.resolve()) if self.sessions_file else None

    def _scenario_parameters(self) -> dict[str, Any]:
        stage = self.stage
        return {
            "date": self.day.isoformat(),
            "participant_id": stage.participant_id,
            "api_key": stage.exchange_key,
            "gopacs_api_key": stage.gopacs_key,
            "registrations": [{"ean": group.ean, "postcode": group.postcode} for group in self.portfolio.groups],
        }


def _waiting_setpoints() -> QuerySet[OutboxMessage]:
    """Return the setpoint messages that did not go out yet."""
    return OutboxMessage.objects.filter(channel=SETPOINTS_CHANNEL, delivered_at=None, dead_at=None)


def _is_so(question: Callable[[], bool]) -> bool:
    """Ask a question of the database; one that died and is being started again does not say yes."""
    try:
        return question()
    except (OperationalError, InterfaceError):
        connections.close_all()
        return False
