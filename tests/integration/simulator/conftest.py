import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import URLError

import pytest

from aggregator.core.clock import CLOCK_FILE_VARIABLE, VirtualClock
from tests.integration.simulator.fake_aggregator import FakeAggregator, get, secret_of

REPOSITORY = Path(__file__).resolve().parents[3]
STARTS_AT = datetime(2026, 1, 14, 15, tzinfo=UTC)
ENDS_AT = STARTS_AT + timedelta(hours=5)


class Process:
    """The simulator as its own process, on its own clock."""

    def __init__(self, directory, aggregator, *, starts_at=STARTS_AT, ends_at=ENDS_AT) -> None:
        directory.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.clock_file = directory / "clock.json"
        self.ends_at = ends_at
        self.clock = VirtualClock.create(self.clock_file, starts_at=starts_at, speed=0)
        self.config = directory / "simulator.json"
        self.config.write_text(
            json.dumps(
                {
                    "api_url": f"{aggregator.url}/api/v1",
                    "token_url": f"{aggregator.url}/oauth/token/",
                    "listen": {"port": port},
                    "state_directory": str(directory / "state"),
                    "day": "2026-01-14",
                    "starts_at": starts_at.isoformat(),
                    "ends_at": ends_at.isoformat(),
                    "portfolio": {"seed": 7, "scale": 0.04},
                    "sessions": {"history_weeks": 2},
                    "partners": {
                        key: {"client_id": key, "client_secret": "x", "callback_secret": secret_of(key)}
                        for key in ("stadsladen", "deelstroom", "remise")
                    },
                }
            )
        )
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "assets.simulator", "--config", str(self.config)],
            cwd=REPOSITORY,
            env={**os.environ, CLOCK_FILE_VARIABLE: str(self.clock_file)},
            stderr=subprocess.DEVNULL,
        )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def progress(self):
        try:
            return get(f"{self.url}/progress")
        except (URLError, ConnectionError):
            return {"phase": "down", "reported_until": ""}

    def wait_until(self, condition, seconds=120):
        deadline = time.monotonic() + seconds
        while not condition(self.progress()):
            assert time.monotonic() < deadline, self.progress()
            assert self.process.poll() is None, "the simulator ended"
            time.sleep(0.02)

    def run_until(self, instant, speed=6000):
        """Let the clock run to the instant, or a little beyond, and wait until everything until then is reported."""
        self.clock.set_speed(speed)
        while self.clock.now() < instant:
            time.sleep(0.005)
        self.clock.set_speed(0)
        self._wait_for_report(min(self.clock.now(), self.ends_at))

    def jump_to(self, instant):
        """Hold the clock at the instant, and wait until everything until then is reported."""
        self.clock = VirtualClock.create(self.clock_file, starts_at=instant, speed=0)
        self._wait_for_report(min(instant, self.ends_at))

    def _wait_for_report(self, instant):
        reached = instant.strftime("%Y-%m-%dT%H:%M:00Z")
        self.wait_until(lambda progress: progress["reported_until"] >= reached)


@pytest.fixture
def aggregator():
    server = FakeAggregator()
    yield server
    server.close()


@pytest.fixture
def start(tmp_path):
    running = []

    def begin(aggregator, name="run") -> Process:
        process = Process(tmp_path / name, aggregator)
        running.append(process)
        process.wait_until(lambda progress: progress["phase"] == "running")
        return process

    yield begin
    for process in running:
        process.kill()
