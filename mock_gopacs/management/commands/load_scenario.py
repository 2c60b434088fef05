"""`python -m mock_gopacs load_scenario NAME_OR_FILE --parameter name=value …`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

from aggregator.core.words import cause
from mock_gopacs.loading import document_named, load, with_base
from mock_gopacs.scenario import read_scenario
from mock_gopacs.scenario_values import InvalidScenario


class Command(BaseCommand):
    """Replaces everything in the mock market by a scenario."""

    help = "Replace everything by a scenario: a name under mock_gopacs/scenarios, or a YAML file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("scenario")
        parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="the value is YAML")

    def handle(self, *_args: Any, **options: Any) -> None:
        file = Path(options["scenario"])
        try:
            parameters = dict(_parameter(assignment) for assignment in options["parameter"])
            document = _from_file(file) if file.suffix else document_named(str(file))
            loaded = load(read_scenario(document, parameters))
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {cause(error)}.") from error
        except (InvalidScenario, UnicodeDecodeError, yaml.YAMLError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{loaded.name}: {len(loaded.announcement_ids)} announcements, "
            f"{loaded.foreign_order_count} foreign orders, {len(loaded.contract_ids)} contracts"
        )


def _parameter(assignment: str) -> tuple[str, Any]:
    name, separator, value = assignment.partition("=")
    if not separator:
        raise CommandError(f"--parameter {assignment!r} has no value: write NAME=VALUE.")
    return name, yaml.safe_load(value)


def _from_file(file: Path) -> dict[str, Any]:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise InvalidScenario(f"{file} holds no scenario: its top level must be a mapping.")
    return with_base(document)
