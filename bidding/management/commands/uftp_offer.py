"""Offer a power under a contract of our own accord."""

from argparse import ArgumentParser
from datetime import datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from aggregator.core.arguments import parse_day, parse_local_time
from aggregator.core.interval import Interval, InvalidInterval
from aggregator.core.ptu import MARKET_ZONE
from aggregator.core.services import clock
from bidding.models import Contract
from bidding.uftp.offers import NotOfferable, offer_unasked


class Command(BaseCommand):
    """`uftp_offer --contract CSC-1 --dso dso.example --day 2026-07-01 --from 17:00 --until 19:00 --power-w …`."""

    help = "Offer a power under a contract that the grid operator did not ask for."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--contract", required=True, help="the operator's name for it")
        parser.add_argument("--dso", required=True, help="domain of the operator")
        parser.add_argument("--day", required=True, type=parse_day)
        parser.add_argument("--from", required=True, type=parse_local_time, dest="starts", help="local time")
        parser.add_argument("--until", required=True, type=parse_local_time, help="local time, on the same day")
        parser.add_argument("--power-w", required=True, type=int, help="as in the contract: a deviation, or a limit")
        parser.add_argument("--expires", type=parse_local_time, help="local time on that day (default: its start)")
        parser.add_argument("--reason", required=True, help="kept in the audit trail")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        contract = Contract.objects.filter(contract_id=options["contract"], dso__domain=options["dso"]).first()
        if contract is None:
            raise CommandError(f"There is no contract {options['contract']} with {options['dso']}. Enter it first.")

        def local(at: time) -> datetime:
            return datetime.combine(options["day"], at, MARKET_ZONE)

        try:
            offer = offer_unasked(
                contract_id=contract.pk,
                window=Interval(local(options["starts"]), local(options["until"])),
                power_w=options["power_w"],
                expires_at=local(options["expires"] or options["starts"]),
                now=clock().now(),
                actor=None,
                reason=options["reason"],
            )
        except (InvalidInterval, NotOfferable) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{offer} is on its way.")
