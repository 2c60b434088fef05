"""A database and a web server of their own for benchmarks: nothing they measure touches other data."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60


@contextmanager
def bench_database() -> Iterator[None]:
    """Have embedded servers under `var/bench` with an empty, migrated database, and Django set up for it."""
    os.environ |= {"AGGREGATOR_VAR": str(CHECKOUT / "var" / "bench"), "DJANGO_SETTINGS_MODULE": "aggregator.settings"}
    for configured in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(configured, None)  # somebody's servers are not for measuring, nor for emptying
    import django  # noqa: PLC0415 - the address of the database must be set first

    from aggregator import embedded  # noqa: PLC0415 - same

    embedded.stop()  # left by a run that was killed
    shutil.rmtree(embedded.data_directory(), ignore_errors=True)
    with embedded.services():
        django.setup()
        from django.core.management import call_command  # noqa: PLC0415 - needs the settings
        from django.db import connections  # noqa: PLC0415 - same

        try:
            call_command("migrate", verbosity=0)
            yield
        finally:
            connections.close_all()


@contextmanager
def web_server(*, settings: str = "aggregator.settings", workers: int = 2, threads: int = 4) -> Iterator[int]:
    """Serve pages and interfaces as production does, by the given settings; yield the port."""
    options = ("--worker-class", "gthread", "--workers", str(workers), "--threads", str(threads))
    with _gunicorn("aggregator.wsgi", *options, settings=settings) as port:
        yield port


@contextmanager
def message_door(*, workers: int) -> Iterator[int]:
    """Take UFTP messages as production does; yield the port."""
    options = ("--worker-class", "asgi", "--workers", str(workers))
    with _gunicorn("aggregator.uftp", *options, settings="aggregator.settings") as port:
        yield port


@contextmanager
def _gunicorn(*words: str, settings: str) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", *words, "--bind", f"127.0.0.1:{port}"]
    command += ["--no-control-socket", "--log-level", "warning"]
    with subprocess.Popen(command, cwd=CHECKOUT, env={**os.environ, "DJANGO_SETTINGS_MODULE": settings}) as process:
        try:
            wait_for(port)
            yield port
        finally:
            process.terminate()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until somebody listens on `port`."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
