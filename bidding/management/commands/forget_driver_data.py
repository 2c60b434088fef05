"""Forget what is known of drivers longer than agreed; the scheduler does the same twice a day."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from aggregator.core.services import clock
from aggregator.core.words import counted
from bidding.operations.driver_data import forget_driver_data


class Command(BaseCommand):
    """`forget_driver_data [--days N]`."""

    help = "Forget pseudonyms and what drivers declared, of sessions that began more than DRIVER_DATA_DAYS ago."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Let an operator keep less than the setting says."""
        parser.add_argument("--days", type=int, help="keep this many days instead, no more than the setting says")

    def handle(self, *_arguments: Any, days: int | None, **_options: Any) -> None:
        """Forget, and say how much."""
        longest: int = settings.KEEP_DRIVER_DATA.days
        if days is not None and not 1 <= days <= longest:
            raise CommandError(f"Give --days from 1 to {longest}: what goes cannot come back.")
        kept_for = settings.KEEP_DRIVER_DATA if days is None else timedelta(days=days)
        done = forget_driver_data(now=clock().now(), kept_for=kept_for)
        field = done.field
        self.stdout.write(
            f"Forgot drivers in {counted(field.sessions, 'session')} and {counted(field.states, 'state')}; dropped "
            f"{counted(field.declarations, 'declaration')}, {counted(field.ocpi_sessions, 'OCPI session')}, "
            f"{counted(field.delivery_attempts, 'delivery attempt')} and {counted(done.pause_tests, 'pause test')} "
            f"older than {counted(kept_for.days, 'day')}."
        )
        if field.failed:
            raise CommandError(f"Not forgotten: {', '.join(field.failed)}. The causes are in the log; mend them.")
