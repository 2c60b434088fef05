"""Register, stop and resume partners from the shell, and replace what signs their setpoints."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from aggregator.core.services import clock, http_client
from aggregator.core.words import counted
from assets import operations
from assets.models import OcpiConnection, Partner
from assets.ocpi.connections import (
    AlreadyOpen,
    AlreadyRegistered,
    NoConnection,
    NotRegistered,
    new_registration_token,
    open_connection,
)
from assets.ocpi.handshake import RegistrationFailed, register_with, renew_with
from assets.ocpi.services import us

TOKEN_PATH = "/oauth/token/"  # noqa: S105 - an address
REFUSALS = (
    operations.NotAllStopped,
    operations.PartnerExists,
    operations.PartnerUnknown,
    operations.ReasonMissing,
    AlreadyOpen,
    AlreadyRegistered,
    NoConnection,
    NotRegistered,
    RegistrationFailed,
)


class Command(BaseCommand):
    """`partner create`, `stop`, `resume`, `rotate`, `stop-all`; OCPI: `ocpi-open`, `-token`, `-register`, `-renew`."""

    help = "Register a partner and print its credentials once; stop sending to it; resume."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="register a partner and print its credentials, once")
        create.add_argument("name")
        create.add_argument("--callback-url", default="", help="where setpoints are pushed; without it: the feed")
        create.add_argument(
            "--base-url", default=settings.PUBLIC_URL, help="address of this service as the partner sees it"
        )
        create.add_argument("--sandbox", action="store_true", help="for trying out: its assets never reach a market")
        create.add_argument("--json", action="store_true", help="print one JSON object")
        create.add_argument("--ocpi", action="store_true", help="it speaks OCPI: print versions URL and token too")
        opened = actions.add_parser("ocpi-open", help="let a partner that is there register over OCPI")
        opened.add_argument("name")
        for agreeing in (create, opened):
            units = OcpiConnection.RateUnit.values
            agreeing.add_argument("--rate-unit", choices=units, default="W", help="of its profiles")
            agreeing.add_argument("--v2g", action="store_true", help="it agreed to our OCPI extension for feeding in")
            agreeing.add_argument("--raw-token", action="store_true", help="it reads tokens without base64")
        token = actions.add_parser("ocpi-token", help="a new OCPI registration token; the present registration ends")
        token.add_argument("name")
        register = actions.add_parser("ocpi-register", help="register ourselves with a partner's OCPI platform")
        register.add_argument("name")
        register.add_argument("--versions-url", required=True)
        register.add_argument("--token", required=True, help="the registration token the partner gave us")
        renew = actions.add_parser("ocpi-renew", help="change tokens with a partner's OCPI platform, both ways")
        renew.add_argument("name")
        for action, what in (
            ("stop", "send nothing more to a partner"),
            ("resume", "send to a partner again"),
            ("rotate", "replace the secret that signs its setpoints; both sign for a day"),
        ):
            switch = actions.add_parser(action, help=what)
            switch.add_argument("name")
            switch.add_argument("--reason", required=True)
        stop_all = actions.add_parser("stop-all", help="send nothing more to anyone")
        stop_all.add_argument("--reason", required=True)

    def handle(self, *_arguments: Any, action: str, **options: Any) -> None:
        try:
            if action == "stop-all":
                stopped = operations.stop_all_partners(reason=options["reason"], now=clock().now())
                self.stdout.write(f"Stopped {counted(stopped, 'partner')}.")
            elif action == "create":
                self._create(options)
            elif action == "ocpi-open":
                partner = operations.partner_named(options["name"])
                self._show_token(self._open(partner, options))
            elif action == "ocpi-token":
                self._new_token(options)
            elif action == "ocpi-register":
                self._register(options)
            elif action == "ocpi-renew":
                partner = operations.partner_named(options["name"])
                renew_with(partner_id=partner.pk, http=http_client(), now=clock().now())
                self.stdout.write(f"{partner.name}: tokens changed over OCPI.")
            else:
                self._switch(action, options)
        except REFUSALS as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error

    def _create(self, options: dict[str, Any]) -> None:
        now, base_url = clock().now(), options["base_url"].rstrip("/")
        with transaction.atomic():
            partner, credentials = operations.register_partner(
                name=options["name"],
                callback_url=options["callback_url"],
                is_sandbox=options["sandbox"],
                now=now,
            )
            shown = {
                "partner": partner.name,
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret,
                "token_url": base_url + TOKEN_PATH,
                "callback_secret": credentials.callback_secret,
            }
            if options["ocpi"]:
                token = self._open(partner, options)
                shown |= {"versions_url": us(base_url).versions_url(), "registration_token": token}
        if options["json"]:
            self.stdout.write(json.dumps(shown))
            return
        for name, value in shown.items():
            self.stdout.write(f"{name.replace('_', ' '):<18} {value}")
        self.stdout.write("The secrets are shown this once and cannot be read back.")

    def _open(self, partner: Partner, options: dict[str, Any]) -> str:
        _, token = open_connection(
            partner=partner,
            now=clock().now(),
            is_v2g_agreed=options["v2g"],
            rate_unit=options["rate_unit"],
            sends_raw_token=options["raw_token"],
        )
        return token

    def _new_token(self, options: dict[str, Any]) -> None:
        partner = operations.partner_named(options["name"])
        self._show_token(new_registration_token(partner_id=partner.pk, now=clock().now()))

    def _show_token(self, token: str) -> None:
        self.stdout.write(f"versions url       {us().versions_url()}\nregistration token {token}")

    def _register(self, options: dict[str, Any]) -> None:
        partner = operations.partner_named(options["name"])
        register_with(
            partner_id=partner.pk,
            versions_url=options["versions_url"],
            token=options["token"],
            http=http_client(),
            now=clock().now(),
        )
        self.stdout.write(f"{partner.name}: registered over OCPI.")

    def _switch(self, action: str, options: dict[str, Any]) -> None:
        partner = operations.partner_named(options["name"])
        if action == "rotate":
            partner, secret = operations.rotate_callback_secret(
                partner_id=partner.pk, reason=options["reason"], now=clock().now()
            )
            self.stdout.write(f"callback secret    {secret}")
            self.stdout.write(
                f"Shown this once. The one before signs too until {partner.retires_at:%Y-%m-%d %H:%M %Z}."
            )
            return
        switch = operations.stop_partner if action == "stop" else operations.resume_partner
        switch(partner_id=partner.pk, reason=options["reason"], now=clock().now())
        self.stdout.write(f"{partner.name}: {action} done.")
