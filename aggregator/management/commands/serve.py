"""Keep the service running with the demo's portfolio, for a person to click through."""

import signal
import socket
import threading
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from aggregator import embedded
from aggregator.core.words import cause
from aggregator.demo.evening import DAY, Evening, StepFailed
from aggregator.demo.stage import LOOPBACK, Stage
from aggregator.processes import ProcessFailed

DEMO_USER, DEMO_PASSWORD = "operator", "operator-demo"
CLOCK_SPEED = 60.0


class Command(BaseCommand):
    """`manage.py serve`."""

    help = __doc__ or ""
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="where the web pages answer")
        parser.add_argument("--speed", type=float, default=CLOCK_SPEED, help="virtual seconds per real second")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not options["speed"] > 0:
            raise CommandError(f"--speed {options['speed']:g} would stand still or run backwards; give more than 0.")
        _require_free(options["port"])
        console = Console()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        try:
            self._serve(console, stop, port=options["port"], speed=options["speed"])
        except (StepFailed, ProcessFailed) as error:
            raise CommandError(str(error)) from error

    def _serve(self, console: Console, stop: threading.Event, *, port: int, speed: float) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with embedded.services():
            stage = Stage.open(embedded.data_directory(), starts_at=Evening.starts_at(DAY), web_port=port)
            try:
                with Progress(*columns, console=console) as progress:
                    evening = Evening(stage, progress)
                    evening.prepare()
                self._make_operator()
                embedded.note_served_at(stage.web_url)
                connections.close_all()
                stage.clock.set_speed(speed)
                console.print(f"Operator pages: [bold]{stage.web_url}/admin/[/]")
                console.print(f"Log-in: {DEMO_USER} / {DEMO_PASSWORD}")
                console.print(f"Interface for CPOs: {stage.web_url}/api/docs")
                console.print(f"Mock market: {stage.mock_url}/")
                console.print(f"The clock runs {speed:.0f} times as fast as real time. Ctrl-C stops everything.")
                while not stop.wait(0.5):
                    stage.supervisor.check()
            finally:
                stage.close()

    def _make_operator(self) -> None:
        user, _ = User.objects.get_or_create(username=DEMO_USER, defaults={"is_staff": True, "is_superuser": True})
        user.set_password(DEMO_PASSWORD)
        user.save()


def _require_free(port: int) -> None:
    """Refuse a port that nobody can listen on, before a minute is spent on starting everything else."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does, to start again soon
            probe.bind((LOOPBACK, port))
    except (OSError, OverflowError) as error:
        raise CommandError(f"Port {port} cannot be used ({cause(error)}). Give another with --port.") from error
