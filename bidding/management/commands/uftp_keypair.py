"""Make a key that we sign UFTP messages with."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from aggregator.core.services import clock
from bidding.models import OwnKey
from bidding.uftp.own_keys import make_own_key


class Command(BaseCommand):
    """`uftp_keypair`; to rotate, the same again: the new key signs a day later, after you published it."""

    help = "Make a key pair for UFTP, keep the private half encrypted and print the public half."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--signs-after-hours",
            type=float,
            help="hours until it signs (default: 0 for the first key, 24 for the next ones)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        now = clock().now()
        hours = options["signs_after_hours"]
        if hours is None:
            hours = 24 if OwnKey.objects.exists() else 0
        own_key = make_own_key(now=now, signs_from=now + timedelta(hours=hours))
        if options["json"]:
            document = {"public_key": own_key.public_key, "signs_from": own_key.signs_from.isoformat()}
            self.stdout.write(json.dumps(document))
        else:
            self.stdout.write(f"Public key: {own_key.public_key}")
            self.stdout.write(f"It signs from {own_key.signs_from.isoformat()}. Publish it before then.")
