"""python -m assets.simulator --config FILE."""

import argparse
import contextlib
import logging
import signal
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from aggregator.core.clock import clock_from_environment
from aggregator.core.http import HttpClient
from assets.simulator.checkpoint import ForeignState
from assets.simulator.config import Configuration, InvalidConfiguration, read_configuration
from assets.simulator.partner_api import Stopped
from assets.simulator.session_files import InvalidSessionFile
from assets.simulator.simulator import Simulator


def main() -> int:
    """Run the simulated CPO until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m assets.simulator", description="A CPO in a box.")
    parser.add_argument("--config", type=Path, required=True, help="JSON file; see docs/simulator.md")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        configuration = read_configuration(arguments.config)
        simulator = Simulator(
            configuration=configuration, clock=clock_from_environment(), http=_client(configuration), stop=stop
        )
    except (InvalidConfiguration, InvalidSessionFile, ForeignState) as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - the text explains it; a traceback would not
        return 2
    with contextlib.suppress(Stopped):
        simulator.run()
    return 0


def _client(configuration: Configuration) -> HttpClient:
    """Return a client that may call the configured aggregator, also on a private network."""
    hosts = {urlsplit(url).hostname for url in (configuration.api_url, configuration.token_url)}
    return HttpClient(allowed_private_hosts=frozenset(host for host in hosts if host))


if __name__ == "__main__":
    sys.exit(main())
