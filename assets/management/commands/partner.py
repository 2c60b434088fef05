"""Register, stop and resume partners from the shell."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from aggregator.core.services import clock
from assets import operations

TOKEN_PATH = "/oauth/token/"  # noqa: S105 - an address


class Command(BaseCommand):
    """`partner create NAME`, `partner stop NAME --reason …`, `partner resume NAME --reason …`, `partner stop-all`."""

    help = "Register a partner and print its credentials once; stop sending to it; resume."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="register a partner and print its credentials, once")
        create.add_argument("name")
        create.add_argument("--callback-url", default="", help="where setpoints are pushed; without it: the feed")
        create.add_argument(
            "--base-url", default=settings.PUBLIC_URL, help="address of this service as the partner sees it"
        )
        create.add_argument("--json", action="store_true", help="print one JSON object")
        for action, what in (("stop", "send nothing more to a partner"), ("resume", "send to a partner again")):
            switch = actions.add_parser(action, help=what)
            switch.add_argument("name")
            switch.add_argument("--reason", required=True)
        stop_all = actions.add_parser("stop-all", help="send nothing more to anyone")
        stop_all.add_argument("--reason", required=True)

    def handle(self, *_arguments: Any, action: str, **options: Any) -> None:
        try:
            if action == "create":
                self._create(options)
            elif action == "stop-all":
                stopped = operations.stop_all_partners(reason=options["reason"], now=clock().now())
                self.stdout.write(f"Stopped {stopped} partners.")
            else:
                self._switch(action, options)
        except (operations.PartnerExists, operations.PartnerUnknown, operations.ReasonMissing) as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error

    def _create(self, options: dict[str, Any]) -> None:
        partner, credentials = operations.register_partner(
            name=options["name"], callback_url=options["callback_url"], now=clock().now()
        )
        shown = {
            "partner": partner.name,
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            "token_url": options["base_url"].rstrip("/") + TOKEN_PATH,
            "callback_secret": credentials.callback_secret,
        }
        if options["json"]:
            self.stdout.write(json.dumps(shown))
            return
        for name, value in shown.items():
            self.stdout.write(f"{name.replace('_', ' '):<16} {value}")
        self.stdout.write("The secrets are shown this once and cannot be read back.")

    def _switch(self, action: str, options: dict[str, Any]) -> None:
        partner = operations.partner_named(options["name"])
        switch = operations.stop_partner if action == "stop" else operations.resume_partner
        switch(partner_id=partner.pk, reason=options["reason"], now=clock().now())
        self.stdout.write(f"{partner.name}: {action} done.")
