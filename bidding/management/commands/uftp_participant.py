"""Enter a UFTP counterparty by hand, bar one, and end the time of a key that was replaced."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from aggregator.core.services import clock
from bidding.markets.uftp.keys import InvalidKey, PublicKey
from bidding.markets.uftp.vocabulary import Role
from bidding.models import UftpParticipant
from bidding.uftp.address_book import bar, remember_by_hand, revoke_old_keys


class Command(BaseCommand):
    """`uftp_participant --domain dso.example --role DSO --public-key … --endpoint https://…`, `… --barred`."""

    help = "Enter a UFTP counterparty; it wins over the address book. A new key takes over, the old holds for a day."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--domain", required=True)
        parser.add_argument("--role", required=True, choices=[role.value for role in Role])
        parser.add_argument("--public-key", help="base64 of 32 bytes, with or without cs1.; needed to enter one")
        parser.add_argument("--endpoint", default="", help="where its messages go; without it: UFTP_BROKER_URL")
        parser.add_argument(
            "--uftp-version", default=UftpParticipant.Version.V3_0_0, choices=UftpParticipant.Version.values
        )
        parser.add_argument(
            "--revoke-old-key", action="store_true", help="replaced keys hold no longer, instead of for a day"
        )
        parser.add_argument(
            "--barred", action="store_true", default=None, help="answer its messages with “Barred Sender” from now on"
        )
        parser.add_argument("--not-barred", action="store_false", dest="barred", help="no longer")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        now = clock().now()
        participant = self._entered(options) if options["public_key"] else self._known(options)
        if options["revoke_old_key"]:
            gone = revoke_old_keys(participant=participant, now=now)
            self.stdout.write(f"{gone} old {'key holds' if gone == 1 else 'keys hold'} no longer.")
        if options["barred"] is not None:
            bar(participant=participant, is_barred=options["barred"], now=now)
            self.stdout.write(f"{participant} is {'barred' if options['barred'] else 'not barred'}.")

    def _entered(self, options: dict[str, Any]) -> UftpParticipant:
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
        return participant

    def _known(self, options: dict[str, Any]) -> UftpParticipant:
        if options["endpoint"] or (options["barred"] is None and not options["revoke_old_key"]):
            raise CommandError("Give the --public-key of the participant to enter, or change, it.")
        participant = UftpParticipant.objects.filter(domain=options["domain"], role=options["role"]).first()
        if participant is None:
            raise CommandError(f"No {options['role']} {options['domain']} is known. Enter it with its --public-key.")
        return participant
