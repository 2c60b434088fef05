#!/usr/bin/env python
"""The command line of the service; `python manage.py help` lists what it can do."""

import os
import sys
from contextlib import nullcontext

from aggregator import embedded

# These neither read nor write the database, or look after the servers themselves.
COMMANDS_WITHOUT_SERVICES = frozenset(
    {"", "help", "--help", "version", "--version", "backtest", "demo", "serve", "spectacular"}
)


def main() -> None:
    """Run one command, with the embedded servers up if it needs them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aggregator.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - after the settings are named

    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "demo":  # a demo empties its folder first, so it has one of its own
        os.environ["AGGREGATOR_VAR"] = str(embedded.data_directory() / "demo")
    needs_services = command not in COMMANDS_WITHOUT_SERVICES and not {"-h", "--help"} & set(sys.argv)
    with embedded.services() if needs_services else nullcontext():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
