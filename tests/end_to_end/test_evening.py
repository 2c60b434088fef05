"""Whole evenings, on real processes: what `make demo` does, looked at from outside."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aggregator.core.clock import VirtualClock
from aggregator.core.ptu import MARKET_ZONE
from aggregator.demo.evening import DAY
from aggregator.embedded import CHECKOUT, data_directory
from tests.report_check import problems
from tests.shared_data import shared_path

LONGEST_SECONDS = 1_800
"""An evening takes five minutes alone on two cores; beside another, on a busy machine, several times that."""
PID_FILES_OF_SERVERS = {"database": "postgres/postmaster.pid", "broker": "valkey/valkey.pid"}
KILLED_AT = (
    (17, 25, "worker-market"),
    (17, 45, "database"),
    (18, 10, "web"),
    (18, 30, "broker"),
    (18, 50, "simulated-cpo"),
    (19, 10, "beat"),
    (19, 25, "mock-market"),
    (19, 40, "mock-web"),
    (19, 50, "worker-sizing"),
)
pytestmark = pytest.mark.xdist_group("evening")  # one at a time: an evening wants both cores


class Demo:
    """A demo in a process of its own, with its files in a folder of its own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory = directory / "demo"
        self.output = directory.parent / "output.txt"
        environment = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL"}}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", *arguments],
                cwd=CHECKOUT,
                env={**environment, "AGGREGATOR_VAR": str(directory)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until(self, hour: int, minute: int) -> None:
        """Wait for a local time of the demo's evening."""
        instant = datetime(DAY.year, DAY.month, DAY.day, hour, minute, tzinfo=MARKET_ZONE)
        deadline = time.monotonic() + LONGEST_SECONDS
        while not self._has_come(instant):
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.1)

    def kill(self, name: str) -> None:
        """Kill one of its processes without warning."""
        file = self.directory / PID_FILES_OF_SERVERS.get(name, f"processes/{name}.pid")
        os.kill(int(file.read_text().split()[0]), signal.SIGKILL)

    def report(self) -> dict:
        """Wait for the end; return the report of a demo that succeeded."""
        assert self.process.wait(LONGEST_SECONDS) == 0, self.output.read_text()
        return json.loads((self.directory / "report.json").read_text())

    def _has_come(self, instant: datetime) -> bool:
        try:
            return VirtualClock(self.directory / "clock.json").now() >= instant
        except FileNotFoundError:
            return False


@pytest.fixture
def play():
    """Start demos, each in a folder that PostgreSQL's own user may enter (run by root, it may not enter pytest's)."""
    started = []
    with tempfile.TemporaryDirectory(prefix="evening-", dir=data_directory()) as directory:

        def start(*arguments: str) -> Demo:
            started.append(Demo(Path(directory) / f"var-{len(started)}", *arguments))
            return started[-1]

        yield start
        for demo in started:
            if demo.process.poll() is None:
                demo.process.send_signal(signal.SIGINT)
                demo.process.wait(60)


def assert_evening(report: dict) -> None:
    """Check what must be true of every evening, and recompute its money from its parts."""
    assert all(bid["power_w"] % 100_000 == 0 and bid["power_w"] >= 100_000 for bid in report["bids"])
    (call,) = report["calls"]
    ordered = {bid["aggregation_ean"]: bid["cleared_power_w"] for bid in report["bids"] if bid["cleared_power_w"]}
    assert len(report["deliveries"]) == 12 * (len(ordered) + 1)
    for_bids = [row for row in report["deliveries"] if row["aggregation_ean"] != call["aggregation_ean"]]
    assert {(row["aggregation_ean"], row["ordered_w"]) for row in for_bids} == set(ordered.items())
    assert call["aggregation_ean"] not in {bid["aggregation_ean"] for bid in report["bids"]}
    assert [message["element"] for message in call["messages"]] == [
        "FlexRequest", "FlexRequestResponse", "FlexOffer", "FlexOfferResponse", "FlexOrder", "FlexOrderResponse",
    ]  # fmt: skip
    assert sum(row["ordered_w"] for row in report["deliveries"]) > sum(row["ordered_w"] for row in for_bids)
    assert 0 < report["setpoints"]["followed"] <= report["setpoints"]["accepted"] <= report["setpoints"]["sent"]
    # Departures come unannounced: a held car that leaves early misses some of its energy.
    assert report["drivers"]["served"] >= 0.95 * report["drivers"]["sessions"] > 0
    assert problems(report) == []


def delivered_share(report: dict) -> float:
    """Return how much of the ordered energy was delivered, over-delivery not counted."""
    ordered = sum(row["ordered_w"] for row in report["deliveries"])
    return sum(min(max(row["delivered_w"], 0), row["ordered_w"]) for row in report["deliveries"]) / ordered


class _Fetches(HTMLParser):
    """Collects the addresses that a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"src", "srcset", "data"} | ({"href"} if tag == "link" else set())
        self.addresses += [value or "" for name, value in attrs if name in wanted]


def addresses_fetched_by(page: Path) -> list[str]:
    """Return what a page asks for beyond itself; text inside scripts does not count, a browser test opens the page."""
    fetches = _Fetches()
    fetches.feed(page.read_text())
    return fetches.addresses


def leftovers(directory: Path) -> list[str]:
    """Return the command lines of processes that still run from a demo's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if str(directory).encode() in (path / "environ").read_bytes() + (path / "cmdline").read_bytes():
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_an_evening_survives_the_death_of_every_process_and_leaves_nothing_behind(play):
    demo = play()
    for hour, minute, name in KILLED_AT:
        demo.wait_until(hour, minute)
        demo.kill(name)

    report = demo.report()

    assert_evening(report)
    assert sorted(bid["outcome"] for bid in report["bids"]) == ["cleared", "not_cleared", "partly_cleared"]
    assert delivered_share(report) > 0.97
    assert addresses_fetched_by(demo.directory / "report.html") == []
    assert leftovers(demo.directory) == []


def test_what_misbehaving_assets_and_a_dead_worker_cost_is_known_to_the_watt(play):
    demo = play("--misbehaving", "0.2")
    demo.wait_until(17, 50)
    demo.kill("worker-market")

    report = demo.report()

    assert delivered_share(report) > 0.9
    missed = {
        (row["aggregation_ean"], row["ptu_start"]): row["ordered_w"] - row["delivered_w"]
        for row in report["deliveries"]
        if row["delivered_w"] < row["ordered_w"]
    }
    explained = {(row["aggregation_ean"], row["ptu_start"]): row for row in report["shortfalls"]}
    assert {key: row["missing_w"] for key, row in explained.items()} == missed
    assert all(sum(row["causes_w"].values()) == row["missing_w"] for row in explained.values())


def test_an_evening_of_real_sessions(play):
    sessions = shared_path("data/ev_no_residential/sessions.csv.gz")

    report = play("--sessions", str(sessions)).report()

    assert_evening(report)
    # What is bid is what real sessions allow: the book clears small bids in full that it clears the fleet's in part.
    assert {bid["outcome"] for bid in report["bids"]} & {"cleared", "partly_cleared"}
    # Real cars leave unannounced, and the evening's clock runs many times too fast for a machine that does other work.
    assert delivered_share(report) > 0.9


def test_an_interrupted_evening_cleans_up(play):
    demo = play()
    demo.wait_until(15, 0)
    time.sleep(5)
    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(60) == 1
    assert "everything that was started is down again" in demo.output.read_text()
    assert leftovers(demo.directory) == []


def test_a_file_that_is_not_there_is_named_and_other_data_are_left_alone(tmp_path):
    result = subprocess.run(
        [sys.executable, "manage.py", "demo", "--sessions", "no-such-file.csv.gz"],
        cwd=CHECKOUT,
        env={**os.environ, "AGGREGATOR_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "There is no file no-such-file.csv.gz" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]  # which is what a demo empties
