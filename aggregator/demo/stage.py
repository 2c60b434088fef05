"""Everything a demo needs to run: servers, processes, a virtual clock, and the addresses they find each other by."""

import json
import os
import secrets
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from aggregator import embedded
from aggregator.core.clock import CLOCK_FILE_VARIABLE, VirtualClock
from aggregator.core.http import HttpClient, RequestFailed
from aggregator.processes import ProcessFailed, ProcessSpec, Supervisor, free_port
from bidding.markets.uftp.transport import MESSAGE_PATH
from bidding.services import sells_balancing

TICK_REAL_SECONDS = 1.0
LOOPBACK = "127.0.0.1"
UFTP_DOMAIN, UFTP_CLIENT_ID = "uftp.aggregator.example", "aggregator"
REMEMBERED = ("exchange_key", "gopacs_key", "control_token", "participant_id", "uftp_secret")
WORKERS = {"worker-market": ("market,dispatch,ocpi,default", 2), "worker-sizing": ("sizing,forecast,settlement", 2)}


@dataclass(slots=True)
class Stage:
    """The processes of one demo and how to reach them."""

    directory: Path
    starts_at: datetime
    web_port: int = field(default_factory=free_port)
    uftp_port: int = field(default_factory=free_port)
    mock_port: int = field(default_factory=free_port)
    simulator_port: int = field(default_factory=free_port)
    exchange_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    gopacs_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    control_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    participant_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    uftp_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    http: HttpClient = field(default_factory=lambda: HttpClient(allowed_private_hosts=frozenset({LOOPBACK})))
    clock: VirtualClock = field(init=False)
    supervisor: Supervisor = field(init=False)
    _begun: "list[subprocess.Popen[bytes]]" = field(init=False, default_factory=list)

    @classmethod
    def open(cls, directory: Path, *, starts_at: datetime, web_port: int) -> "Stage":
        """Return a stage that goes on where an earlier one in `directory` stopped, or a new one."""
        memory = directory / "stage.json"
        if not memory.exists():
            stage = cls(directory, starts_at=starts_at, web_port=web_port)
            known = {name: getattr(stage, name) for name in REMEMBERED}
            memory.write_text(json.dumps(known), encoding="utf-8")
            memory.chmod(0o600)
            return stage
        stopped_at = VirtualClock(directory / "clock.json").stopped_at()
        return cls(directory, starts_at=stopped_at, web_port=web_port, **json.loads(memory.read_text(encoding="utf-8")))

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.clock = VirtualClock.create(self.clock_file, starts_at=self.starts_at, speed=0)
        self.supervisor = Supervisor(self.directory / "processes", revive_servers=embedded.start)

    @property
    def clock_file(self) -> Path:
        """The file all processes read the time from."""
        return self.directory / "clock.json"

    @property
    def web_url(self) -> str:
        """Where the aggregator answers."""
        return f"http://{LOOPBACK}:{self.web_port}"

    @property
    def mock_url(self) -> str:
        """Where the mock market answers."""
        return f"http://{LOOPBACK}:{self.mock_port}"

    @property
    def simulator_url(self) -> str:
        """Where the simulated CPO answers."""
        return f"http://{LOOPBACK}:{self.simulator_port}"

    @property
    def uftp_endpoint(self) -> str:
        """Where the service takes UFTP messages."""
        return f"http://{LOOPBACK}:{self.uftp_port}{MESSAGE_PATH}"

    @property
    def environment(self) -> dict[str, str]:
        """What every process must know."""
        return {
            CLOCK_FILE_VARIABLE: str(self.clock_file),
            "AGGREGATOR_VAR": str(self.directory),
            "TICK_SECONDS": str(TICK_REAL_SECONDS),
            "PUBLIC_URL": self.web_url,
            "SETTLEMENT_WAIT_SECONDS": str(16 * 3600),  # to noon, when the last car has left
            "GOPACS_URL": self.mock_url,
            "EXCHANGE_URL": self.mock_url,
            "EXCHANGE_API_KEY": self.exchange_key,
            "EXCHANGE_PARTICIPANT_ID": self.participant_id,
            "UFTP_DOMAIN": UFTP_DOMAIN,
            "UFTP_BROKER_URL": f"{self.mock_url}{MESSAGE_PATH}",
            "UFTP_TOKEN_URL": f"{self.mock_url}/realms/gopacs/protocol/openid-connect/token",
            "UFTP_CLIENT_ID": UFTP_CLIENT_ID,
            "UFTP_CLIENT_SECRET": self.uftp_secret,
            "UFTP_ADDRESS_BOOK_URL": f"{self.mock_url}/uftp-participants/v3",
            "HTTP_ALLOWED_PRIVATE_HOSTS": LOOPBACK,
            "MOCK_GOPACS_BIND": f"{LOOPBACK}:{self.mock_port}",
            "MOCK_GOPACS_CONTROL_TOKEN": self.control_token,
            "MOCK_GOPACS_DATABASE_URL": embedded.database_url("mock_gopacs"),
        }

    def migrate(self) -> None:
        """Bring both databases to the present schema, side by side."""
        begun = [
            self.begin("manage.py", "migrate", "--verbosity", "0"),
            self.begin("-m", "mock_gopacs", "migrate", "--verbosity", "0"),
        ]
        for end in begun:
            end()

    def begin(self, *words: str) -> Callable[[], str]:
        """Start one of our commands as an operator would; return what waits for its end and returns what it printed.

        That raises `ProcessFailed` when the command fails.
        """
        process = subprocess.Popen(  # noqa: S603 - our own commands
            (sys.executable, *words),
            cwd=embedded.CHECKOUT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._begun.append(process)

        def end() -> str:
            output = process.communicate()[0].decode("utf-8", "replace")
            if process.returncode:
                raise ProcessFailed(f"{' '.join(words)} failed:\n{output[-3000:]}")
            return output

        return end

    def start_market(self) -> None:
        """Start the mock market's two processes and wait until it answers."""
        self._start("mock-web", "gunicorn", "--config", "mock_gopacs/gunicorn_conf.py", "mock_gopacs.wsgi", module=True)
        self._start("mock-market", "mock_gopacs", "market", module=True)
        self.wait_for_http("The mock market", f"{self.mock_url}/readyz")

    def start_service(self) -> None:
        """Start web, UFTP door, workers and beat, and wait until both answer."""
        self._start(
            "web", "gunicorn", "aggregator.wsgi", "--bind", f"{LOOPBACK}:{self.web_port}",
            "--worker-class", "gthread", "--workers", "2", "--threads", "4", "--timeout", "60", module=True,
        )  # fmt: skip
        self._start(
            "uftp", "gunicorn", "aggregator.uftp", "--bind", f"{LOOPBACK}:{self.uftp_port}", "--worker-class", "asgi",
            module=True,
        )  # fmt: skip
        for name, (queues, processes) in WORKERS.items():
            self._start(
                name, "celery", "-A", "aggregator", "worker", "-Q", queues, "-c", str(processes), "-n", f"{name}@%h",
                "--without-gossip", "--without-mingle", "--loglevel", "WARNING", module=True,
            )  # fmt: skip
        self._start(
            "beat", "celery", "-A", "aggregator", "beat", "-s", str(self.directory / "beat-schedule"),
            "--pidfile", "", "--loglevel", "WARNING", module=True,
        )  # fmt: skip
        if sells_balancing():
            self._start("follow-balancing", "manage.py", "follow_balancing", module=False)
        self.wait_for_http("The web process", f"{self.web_url}/readyz")
        self.wait_for_http("The UFTP door", f"http://{LOOPBACK}:{self.uftp_port}/healthz")

    @property
    def simulator_config(self) -> Path:
        """The file that tells the simulated CPO what to play (docs/simulator.md)."""
        return self.directory / "simulator.json"

    def write_simulator_config(self, config: Mapping[str, Any]) -> None:
        """Write what the simulated CPO is to play; it holds credentials, so only we may read it."""
        self.simulator_config.touch(mode=0o600)
        self.simulator_config.write_text(json.dumps(dict(config), indent=1), encoding="utf-8")

    def start_simulator(self) -> None:
        """Start the simulated CPO with what was written for it, at the addresses of now."""
        config = json.loads(self.simulator_config.read_text(encoding="utf-8"))
        addresses = {
            "api_url": f"{self.web_url}/api/v1",
            "token_url": f"{self.web_url}/oauth/token/",
            "listen": {"host": LOOPBACK, "port": self.simulator_port},
            "state_directory": str(self.directory / "simulator"),
        }
        for partner in config["partners"].values():
            if "ocpi" in partner:
                partner["ocpi"]["versions_url"] = f"{self.web_url}/ocpi/versions"
        self.write_simulator_config({**config, **addresses})
        self._start("simulated-cpo", "assets.simulator", "--config", str(self.simulator_config), module=True)

    def wait_for_http(self, what: str, url: str, *, timeout_seconds: float = 60.0) -> None:
        """Wait until `url` answers with success."""
        self.supervisor.wait_until(
            f"{what} becoming ready", lambda: self._answers(url), timeout_seconds=timeout_seconds
        )

    def get_json(self, url: str) -> Any:
        """Return the JSON at `url`, or None while nobody answers there."""
        try:
            answer = self.http.request(method="GET", url=url)
        except RequestFailed:
            return None
        return json.loads(answer.body) if answer.is_success else None

    def load_scenario(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Tell the mock market what to play."""
        self.control("POST", "scenario", {"name": name, "parameters": dict(parameters)})

    def tell_market_our_endpoint(self) -> None:
        """Tell the mock market's grid operators where we answer now."""
        self.control("POST", f"uftp/participants/{UFTP_DOMAIN}/endpoint", {"endpoint": self.uftp_endpoint})

    def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return what the mock market's control API answers; raise `ProcessFailed` when it refuses."""
        answer = self.http.request(
            method=method,
            url=f"{self.mock_url}/control/{path}",
            headers={"Content-Type": "application/json", "X-Control-Token": self.control_token},
            body=b"" if body is None else json.dumps(body).encode(),
        )
        if not answer.is_success:
            raise ProcessFailed(f"The mock market refused {path}: {answer.body.decode('utf-8', 'replace')[:2000]}")
        return json.loads(answer.body)

    def close(self) -> None:
        """Stop the clock and every process."""
        self.clock.set_speed(0)
        for process in self._begun:
            process.kill()  # does nothing to one that has ended
            process.wait()
        self.supervisor.close()

    def _answers(self, url: str) -> bool:
        try:
            return self.http.request(method="GET", url=url).is_success
        except RequestFailed:
            return False

    def _start(self, name: str, *words: str, module: bool) -> None:
        command = (sys.executable, "-m", *words) if module else (sys.executable, *words)
        self.supervisor.start(ProcessSpec(name, command, self.environment))
