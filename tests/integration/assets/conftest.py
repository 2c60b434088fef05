from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.db import connection

from aggregator.core.clock import VirtualClock
from aggregator.core.http import HttpClient
from assets.models import AggregationEan, Partner
from assets.operations.partitions import PARTITIONED
from tests.field_side import NOW, make_area, make_group, make_partner


@pytest.fixture
def no_months(db) -> None:
    """Take away the months that other tests committed: partitions outlive the emptying of tables."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = ANY(%s::regclass[])",
            [list(PARTITIONED)],
        )
        for (month,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {month}")


@pytest.fixture
def partner(db) -> Partner:
    return make_partner("Stroom Utrecht")


@pytest.fixture
def other_partner(db) -> Partner:
    return make_partner("Laadnet Oost")


@pytest.fixture
def group(db) -> AggregationEan:
    return make_group(make_area())


class _Callback:
    """A partner's callback address that keeps what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.status, self.answer = 200, b'{"results": []}'
        callback = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                callback.received.append((dict(self.headers), body))
                self.send_response(callback.status)
                self.send_header("Content-Length", str(len(callback.answer)))
                self.end_headers()
                self.wfile.write(callback.answer)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/setpoints"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def callback() -> Iterator[_Callback]:
    server = _Callback()
    yield server
    server.close()


@pytest.fixture
def clock(tmp_path) -> VirtualClock:
    return VirtualClock.create(tmp_path / "clock", starts_at=NOW, speed=0)


@pytest.fixture
def http() -> HttpClient:
    return HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"}))
