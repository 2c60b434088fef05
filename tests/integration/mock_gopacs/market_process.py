"""The mock market as tests meet it: its own processes, its own database, HTTP only."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from aggregator.core.clock import VirtualClock

CONTROL_TOKEN = "control"
PARTICIPANT_ID = "7d9d2d0e-6d5c-4a43-8b53-3f0a3b1d5a11"
STRANGER_ID = "0d0c7a5e-16fd-45c8-9d52-f9d8bb8b02aa"
EAN_CENTRE = "871685900012636543"
EAN_NORTH = "871685900000000017"
EAN_STRANGER = "871685900000000024"
ORDERS = "/public-api/2.0/electricity/orders/gopacs"
START_TIMEOUT_SECONDS = 60


def utc(hour: int, minute: int = 0, *, day: int = 14, month: int = 1) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class MarketProcess:
    """A served market whose clock the test holds."""

    address: str
    environment: dict[str, str]
    clock_file: Path

    def set_clock(self, instant: datetime, *, speed: float = 0.0) -> None:
        VirtualClock.create(self.clock_file, starts_at=instant, speed=speed)

    def call(self, method: str, path: str, *, key: str = "exchange-key", **options: Any) -> requests.Response:
        return requests.request(method, self.address + path, headers={"api_key": key}, timeout=20, **options)

    def control(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"X-Control-Token": CONTROL_TOKEN}
        response = requests.request(method, f"{self.address}/control/{path}", headers=headers, timeout=20, **options)
        assert response.status_code == 200, response.text
        return response.json()

    def load(self, document: dict, **parameters: Any) -> dict:
        return self.control("POST", "scenario", json={"scenario": document, "parameters": parameters})

    def advance(self, instant: datetime) -> list[str]:
        """Move the clock and do what is due; return the events in order."""
        self.set_clock(instant)
        return [step["event"] for step in self.control("POST", "step")["steps"]]

    def place(self, **changes: Any) -> requests.Response:
        return self.call("POST", ORDERS, json={**order_body(), **changes})

    def placed(self, **changes: Any) -> dict:
        response = self.place(**changes)
        assert response.status_code == 200, response.text
        return response.json()

    def order(self, order_id: str) -> dict:
        return self.call("GET", f"{ORDERS}/{order_id}").json()

    @contextmanager
    def clockwork(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the market process for the length of a block."""
        process = start_clockwork(self.environment)
        try:
            yield process
        finally:
            end(process)


def order_body() -> dict:
    """A valid order: 0.4 MW sold in the centre, from 17:00 to 20:00 local time."""
    return {
        "orderType": "SELL",
        "participantId": PARTICIPANT_ID,
        "quantity": 0.4,
        "start": ms(utc(16)),
        "end": ms(utc(19)),
        "price": 180.25,
        "ean": EAN_CENTRE,
        "marketBased": True,
    }


def scenario_document(**changes: Any) -> dict:
    """One announcement in one area, needing 0.5 MW, with enough counter-orders at 50 EUR/MWh."""
    return {
        "name": "test",
        "seed": 1,
        "date": "2026-01-14",
        "settings": {"lock_minutes": 5},
        "areas": {
            "centre": {"name": "Centre", "postcodes": ["3511", "3512"]},
            "north": {"name": "North", "postcodes": ["9711"]},
        },
        "participants": [
            {
                "id": PARTICIPANT_ID, "name": "aggregator", "api_key": "exchange-key", "gopacs_api_key": "gopacs-key",
                "registrations": [{"ean": EAN_CENTRE, "postcode": "3511"}, {"ean": EAN_NORTH, "postcode": "9711"}],
            },
            {
                "id": STRANGER_ID, "name": "stranger", "api_key": "stranger-key",
                "registrations": [{"ean": EAN_STRANGER, "postcode": "3511"}],
            },
        ],
        "announcements": [
            {
                "area": "centre", "organisation": "Stedin", "congestion": "OFF_TAKE", "publish_at": "15:30",
                "starts_at": "17:00", "ends_at": "20:00", "required_mw": 0.5, "maximum_spread_eur_per_mwh": 400,
                "clears_at": ["16:10"],
            }
        ],
        "foreign_orders": [
            {
                "area": "north", "side": "BUY", "count": 1, "quantity_mw": [9.0, 9.0], "price_eur_per_mwh": [50, 50],
                "starts_at": "17:00", "ends_at": "20:00", "placed_at": "15:30",
            }
        ],
        **changes,
    }  # fmt: skip


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def manage(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "mock_gopacs", *arguments], env=environment, check=True, capture_output=True)


def run_with_models(environment: dict[str, str], script: str) -> None:
    """Run Python inside the market's project: for races that HTTP cannot arrange."""
    environment = {**environment, "DJANGO_SETTINGS_MODULE": "mock_gopacs.settings"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def start_web(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gunicorn", "--config", "mock_gopacs/gunicorn_conf.py", "mock_gopacs.wsgi"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with suppress(requests.ConnectionError, requests.Timeout):  # its first answer loads everything
            if requests.get(f"http://{environment['MOCK_GOPACS_BIND']}/readyz", timeout=5).status_code == 200:
                return process
        time.sleep(0.05)
    end(process)
    raise AssertionError("the mock market's web process did not become ready")


def start_clockwork(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mock_gopacs", "market"]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """Stop a process with everything it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)
    process.wait(timeout=START_TIMEOUT_SECONDS)


def wait_until(condition, *, timeout_seconds: float = 60.0):
    """Return the first true value of `condition`, asked again and again."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.05)
