"""Enter a contract under which a grid operator calls flexibility."""

from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from aggregator.core.arguments import parse_day, parse_decimal, parse_local_time
from aggregator.core.services import clock
from bidding.models import Contract
from bidding.uftp.contracts import CounterpartyUnknown, enter_contract, find_operator


class Command(BaseCommand):
    """`contract --id CLC-1 --dso dso.example --kind CLC-A --aggregation-ean … --volume-w 500000 …`."""

    help = "Enter a contract, or change the one with this operator and id."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--id", required=True, dest="contract_id", help="as in the operator's messages")
        parser.add_argument("--dso", required=True, help="domain of the operator, entered or in the address book")
        parser.add_argument("--kind", required=True, choices=Contract.Kind.values)
        parser.add_argument("--aggregation-ean", required=True, dest="aggregation_ean_id")
        parser.add_argument("--congestion-point", help="EAN in the calls (default: the aggregation EAN)")
        parser.add_argument("--volume-w", required=True, type=int)
        parser.add_argument("--limit-w", type=int, help="for CLC-T and time-block: the limit that holds without a call")
        parser.add_argument("--price-eur-per-mwh", required=True, type=parse_decimal)
        parser.add_argument("--availability-fee-eur-per-month", type=parse_decimal, default=Decimal(0))
        parser.add_argument("--penalty-eur-per-mwh", type=parse_decimal, default=Decimal(0))
        parser.add_argument("--power-meaning", choices=Contract.Meaning.values, default=Contract.Meaning.LIMIT)
        parser.add_argument("--zero-side", choices=Contract.ZeroSide.values, default=Contract.ZeroSide.IMPORT)
        parser.add_argument("--window-starts", type=parse_local_time, help="local time, such as 17:00")
        parser.add_argument("--window-ends", type=parse_local_time)
        parser.add_argument("--call-days-before", type=int, default=1)
        parser.add_argument("--call-until", type=parse_local_time, help="local time after which a call does not bind")
        parser.add_argument(
            "--offered-shares", type=parse_decimal, nargs="+", default=[Decimal(1)], help="an option in offers for each"
        )
        parser.add_argument("--min-activation-factor", type=parse_decimal, default=Decimal(1))
        parser.add_argument("--takes-unsolicited-orders", action="store_true")
        parser.add_argument("--sends-prognosis", action="store_true", help="the day before, of every day")
        parser.add_argument("--sends-metering", action="store_true", help="of every called day")
        parser.add_argument("--active-from", required=True, type=parse_day)
        parser.add_argument("--active-until", type=parse_day, help="the last day")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        names = {field.attname for field in Contract._meta.concrete_fields}  # noqa: SLF001 - Django's documented API
        values = {name: value for name, value in options.items() if name in names}
        values["congestion_point"] = options["congestion_point"] or options["aggregation_ean_id"]
        try:
            operator = find_operator(domain=options["dso"], now=clock().now())
            contract, is_new = enter_contract(operator=operator, values=values, now=clock().now())
        except CounterpartyUnknown as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError("; ".join(f"{name}: {' '.join(e)}" for name, e in error.message_dict.items())) from error
        self.stdout.write(f"{contract} is {'entered' if is_new else 'changed'}.")
