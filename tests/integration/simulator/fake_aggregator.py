"""A tiny aggregator that keeps what it is told and refuses what the field contract refuses."""

import base64
import csv
import gzip
import json
import threading
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

from standardwebhooks import Webhook


class FakeAggregator(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.is_down = False
        self.assets = {}
        self.sessions = {}
        self.states = {}
        self.meter_values = {}
        self.results = {}
        self.calls = Counter()
        self.faults = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.server_close()

    def take(self, path, partner, rows):
        with self.lock:
            self.calls[path] += 1
            for row in rows:
                {
                    "/api/v1/assets": self._asset,
                    "/api/v1/sessions": self._session,
                    "/api/v1/states": self._state,
                    "/api/v1/meter-values": self._meter_value,
                    "/api/v1/setpoints/results": self._result,
                }[path](partner, row)

    def _asset(self, partner, row) -> None:
        self.assets[row["external_id"]] = {**row, "partner": partner}

    def _session(self, partner, row) -> None:
        assert self.assets[row["asset"]]["partner"] == partner
        key = row["asset"], row["external_id"]
        known = self.sessions.get(key)
        if known and "plug_out_at" in known and known != row:
            if "plug_out_at" in row:
                raise ValueError(f"closed session changed: {known} -> {row}")
            return
        if "plug_out_at" in row:
            assert row["plug_in_at"] < row["plug_out_at"]
        else:
            for (asset, name), other in self.sessions.items():
                if asset == row["asset"] and name != row["external_id"] and "plug_out_at" not in other:
                    raise ValueError(f"two open sessions at {asset}: {name} and {row['external_id']}")
        self.sessions[key] = row

    def _state(self, partner, row) -> None:
        assert self.assets[row["asset"]]["partner"] == partner
        self.states[row["asset"]] = row

    def _meter_value(self, partner, row) -> None:
        assert self.assets[row["asset"]]["partner"] == partner
        key = row["asset"], row["starts_at"]
        value = int(row["import_wh"]), int(row["export_wh"])
        if self.meter_values.setdefault(key, value) != value:
            raise ValueError(f"meter value {key} changed from {self.meter_values[key]} to {value}")

    def _result(self, _partner, row) -> None:
        known = self.results.setdefault(row["setpoint_id"], row)
        if known != row:
            raise ValueError(f"result changed: {known} -> {row}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.is_down:
            self._answer(503, {})
        elif self.path == "/oauth/token/":
            self._answer(200, {"access_token": self.headers["Authorization"], "expires_in": 3600})
        else:
            try:
                self.server.take(self.path, self.headers["Authorization"], self._rows(body))
            except (AssertionError, KeyError, ValueError) as error:
                self.server.faults.append(f"{self.path}: {error!r}")
                self._answer(400, {"detail": repr(error)})
            else:
                self._answer(200, {})

    def _rows(self, body) -> list:
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.headers["Content-Type"] == "text/csv":
            return list(csv.DictReader(body.decode().splitlines()))
        return next(iter(json.loads(body).values()))

    def _answer(self, status, document) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def get(url):
    with urlopen(url, timeout=30) as answer:  # noqa: S310 - a test's own loopback address
        return json.loads(answer.read())


def secret_of(partner):
    """Return what callbacks of a partner are signed with."""
    return "whsec_" + base64.b64encode(f"secret of {partner}".encode()).decode()


def push(url, secret, batch):
    """Push a batch of setpoints, signed by a library that is not ours; return the answer."""
    body = json.dumps(batch).encode()
    message_id, now = f"setpoint-batch-{batch['batch_id']}", datetime.now(UTC)
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, body.decode()),
        "Content-Type": "application/json",
    }
    with urlopen(Request(url, data=body, headers=headers), timeout=30) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read())
