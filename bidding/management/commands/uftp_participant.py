"""Enter a UFTP counterparty by hand."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from aggregator.core.services import clock
from bidding.markets.uftp.keys import InvalidKey, PublicKey
from bidding.markets.uftp.vocabulary import Role
from bidding.models import UftpParticipant
from bidding.uftp.address_book import remember_by_hand


class Command(BaseCommand):
    """`uftp_participant --domain dso.example --role DSO --public-key … --endpoint https://…`."""

    help = "Enter a UFTP counterparty; it wins over the address book. A new key takes over, the old holds for a day."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--domain", required=True)
        parser.add_argument("--role", required=True, choices=[role.value for role in Role])
        parser.add_argument("--public-key", required=True, help="base64 of 32 bytes, with or without cs1.")
        parser.add_argument("--endpoint", default="", help="where its messages go; without it: UFTP_BROKER_URL")
        parser.add_argument(
            "--uftp-version", default=UftpParticipant.Version.V3_0_0, choices=UftpParticipant.Version.values
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            participant = remember_by_hand(
                domain=options["domain"],
                role=Role(options["role"]),
                public_key=PublicKey.from_text(options["public_key"]),
                endpoint=options["endpoint"],
                version=options["uftp_version"],
                now=clock().now(),
            )
        except InvalidKey as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{participant} is known, version {participant.version}.")
