import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from aggregator.core.clock import CLOCK_FILE_VARIABLE, SystemClock, VirtualClock, clock_from_environment

START = datetime(2026, 1, 14, 15, tzinfo=UTC)


def test_a_stopped_clock_stands_and_a_running_one_runs(tmp_path):
    clock = VirtualClock.create(tmp_path / "clock.json", starts_at=START, speed=0)
    assert clock.now() == clock.now() == START

    started = time.monotonic()
    clock.set_speed(3600)
    time.sleep(0.05)
    clock.set_speed(0)
    passed = clock.now() - START
    assert timedelta(minutes=3) <= passed <= timedelta(hours=time.monotonic() - started)
    assert clock.stopped_at() == clock.now()


def test_another_process_reads_the_same_time(tmp_path):
    path = tmp_path / "clock.json"
    VirtualClock.create(path, starts_at=START, speed=0)
    program = (
        "from aggregator.core.clock import clock_from_environment; print(clock_from_environment().now().isoformat())"
    )
    output = subprocess.run(
        [sys.executable, "-c", program],
        env={CLOCK_FILE_VARIABLE: str(path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output.strip() == START.isoformat()


def test_sleeping_follows_the_speed(tmp_path):
    clock = VirtualClock.create(tmp_path / "clock.json", starts_at=START, speed=60)
    assert clock.real_seconds(timedelta(minutes=1)) == 1.0
    assert SystemClock().real_seconds(timedelta(minutes=1)) == 60.0


def test_without_a_file_time_is_the_machines(monkeypatch):
    monkeypatch.delenv(CLOCK_FILE_VARIABLE, raising=False)
    assert isinstance(clock_from_environment(), SystemClock)
