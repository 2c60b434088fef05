"""Empty databases for a demo: thrown-away embedded ones, or a configured server that holds nothing yet."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, connections

from aggregator import embedded
from aggregator.processes import ProcessFailed


@contextmanager
def fresh_servers() -> Iterator[None]:
    """Have servers with empty databases for the length of a block."""
    embedded.stop()  # left by a run that was killed
    if not os.environ.get("DATABASE_URL"):
        shutil.rmtree(embedded.data_directory(), ignore_errors=True)
    with embedded.services(is_throwaway=True):
        if connection.introspection.table_names():
            raise ProcessFailed(
                "The demo wants an empty database, and the one in DATABASE_URL has tables. "
                "Point DATABASE_URL at a new database, or unset it to use an embedded one."
            )
        try:
            yield
        finally:
            connections.close_all()
