"""Run the service's processes side by side, put dead ones back up, and leave nothing behind.

Used by `serve` and `demo`, and by tests that kill processes on purpose. In production the same commands run under
the operator's own supervisor (see docker-compose.yml).
"""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

STOP_TIMEOUT_SECONDS = 10
WATCH_SECONDS = 0.2
MOST_QUICK_DEATHS = 5
QUICK_DEATH_SECONDS = 5.0
REVIVAL_TIMEOUT_SECONDS = 30.0


class ProcessFailed(RuntimeError):
    """A process keeps dying or does not become ready; the message ends with its log."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to keep running; `environment` is added to ours."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Running:
    spec: ProcessSpec
    popen: subprocess.Popen[bytes]
    log: IO[bytes]
    started_at: float
    quick_deaths: int = 0


class Supervisor:
    """Keeps processes running until it is closed. Logs and process ids go to `directory`.

    Args:
        directory: where logs and process ids go.
        revive_servers: starts servers below the processes that have died, and tells whether there were any.
    """

    def __init__(self, directory: Path, *, revive_servers: Callable[[], bool] = lambda: False) -> None:
        self._directory = directory
        self._revive_servers = revive_servers
        self._directory.mkdir(parents=True, exist_ok=True)
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._failure: ProcessFailed | None = None
        self._servers_failed_at: float | None = None
        self.restarts: dict[str, int] = {}
        self._stop_leftovers()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, spec: ProcessSpec) -> None:
        """Start one process and keep it running."""
        with self._lock:
            self._running[spec.name] = self._launch(spec)

    def pid(self, name: str) -> int:
        """Return the process id that `name` has now."""
        with self._lock:
            return self._running[name].popen.pid

    def check(self) -> None:
        """Raise `ProcessFailed` if a process could not be kept running."""
        if self._failure:
            raise self._failure

    def wait_until(self, what: str, is_ready: Callable[[], bool], *, timeout_seconds: float = 60.0) -> None:
        """Wait for a condition; raise `ProcessFailed` naming `what` when it does not come or a process gives up."""
        deadline = time.monotonic() + timeout_seconds
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{what} did not happen within {timeout_seconds:.0f} s. Logs: {self._directory}")
            time.sleep(0.05)

    def close(self) -> None:
        """Stop everything, in the opposite order of starting."""
        self._closing.set()
        self._watcher.join()
        with self._lock:
            for running in reversed(self._running.values()):
                _signal_group(running.popen.pid, signal.SIGTERM)
            for name, running in reversed(self._running.items()):
                try:
                    running.popen.wait(STOP_TIMEOUT_SECONDS)
                except subprocess.TimeoutExpired:
                    _signal_group(running.popen.pid, signal.SIGKILL)
                    running.popen.wait()
                running.log.close()
                self._pid_file(name).unlink(missing_ok=True)
            self._running.clear()

    def _launch(self, spec: ProcessSpec) -> _Running:
        log = (self._directory / f"{spec.name}.log").open("ab")
        # A session of its own: Ctrl-C reaches us alone, and we stop the others in order.
        popen = subprocess.Popen(  # noqa: S603 - commands are our own
            spec.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **spec.environment},
            start_new_session=True,
        )
        self._pid_file(spec.name).write_text(str(popen.pid), encoding="ascii")
        return _Running(spec, popen, log, time.monotonic())

    def _watch(self) -> None:
        while not self._closing.wait(WATCH_SECONDS):
            self._look_after_servers()
            with self._lock:
                for name, running in list(self._running.items()):
                    if running.popen.poll() is not None and self._failure is None:
                        self._running[name] = self._replace(running)

    def _look_after_servers(self) -> None:
        try:
            if self._revive_servers():
                self._count_restart("servers")
            self._servers_failed_at = None
        except Exception as error:  # noqa: BLE001 - whatever it is: what died may still be ending, so try again
            now = time.monotonic()
            self._servers_failed_at = self._servers_failed_at or now
            if now - self._servers_failed_at > REVIVAL_TIMEOUT_SECONDS:
                self._failure = ProcessFailed(f"The database or the broker died and does not start again: {error}")

    def _replace(self, dead: _Running) -> _Running:
        _signal_group(dead.popen.pid, signal.SIGKILL)  # children of a killed parent must not live on beside the new one
        dead.log.close()
        lived = time.monotonic() - dead.started_at
        quick_deaths = dead.quick_deaths + 1 if lived < QUICK_DEATH_SECONDS else 0
        name = dead.spec.name
        if quick_deaths >= MOST_QUICK_DEATHS:
            tail = (self._directory / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-3000:]
            self._failure = ProcessFailed(
                f"{name} keeps stopping (exit {dead.popen.returncode}). End of its log:\n{tail}"
            )
        self._count_restart(name)
        fresh = self._launch(dead.spec)
        fresh.quick_deaths = quick_deaths
        return fresh

    def _count_restart(self, name: str) -> None:
        self.restarts[name] = self.restarts.get(name, 0) + 1

    def _pid_file(self, name: str) -> Path:
        return self._directory / f"{name}.pid"

    def _stop_leftovers(self) -> None:
        """Stop what an earlier run left when it was killed itself; only processes that run from our own folder."""
        for file in self._directory.glob("*.pid"):
            pid = file.read_text(encoding="ascii")
            try:
                environment = Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                environment = b""
            if os.fsencode(str(self._directory.parent)) in environment:
                _signal_group(int(pid), signal.SIGKILL)
            file.unlink()


def free_port() -> int:
    """Return a TCP port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signal_group(pid: int, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it was quicker
        os.killpg(pid, how)
