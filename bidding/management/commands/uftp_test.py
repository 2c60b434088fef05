"""Ask a UFTP counterparty whether our messages reach it."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from aggregator.core.services import clock
from bidding.uftp.contracts import CounterpartyUnknown, find_operator
from bidding.uftp.sending import send_test


class Command(BaseCommand):
    """`uftp_test --domain dso.example`; the message is accepted once its answer is there."""

    help = "Send a TestMessage to a grid operator. Its answer, or why there is none, shows among the UFTP messages."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--domain", required=True, help="of the operator, entered or in the address book")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        now = clock().now()
        try:
            sent = send_test(participant=find_operator(domain=options["domain"], now=now), now=now)
        except (CounterpartyUnknown, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{sent} is on its way.")
