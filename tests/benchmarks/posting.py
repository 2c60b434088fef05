"""Posts bodies over several connections as cheaply as Python can, so that what is measured is who answers.

One thread waits for all connections at once; a request is built once and written whole, and an answer is read only as
far as its status and length.
"""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MOST_BYTES = 65_536


class HungUp(ConnectionError):
    """A connection ended before its answer did."""


class Posted(NamedTuple):
    """How long it took until all was answered, and the answers other than 200."""

    seconds: float
    refused: list[bytes]


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    requests: Iterator[bytes]
    answer: bytearray = field(default_factory=bytearray)


def post_all(*, ports: Sequence[int], requests: Sequence[bytes], connections: int) -> Posted:
    """Post everything, over connections spread over `ports`; raises `HungUp`."""
    refused: list[bytes] = []
    with selectors.DefaultSelector() as waiting:
        for number in range(connections):
            connected = socket.create_connection(("127.0.0.1", ports[number % len(ports)]))
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting.register(
                connected, selectors.EVENT_READ, _Connection(connected, iter(requests[number::connections]))
            )
        started = time.perf_counter()
        for key in list(waiting.get_map().values()):
            _send_next(key.data, waiting)
        while waiting.get_map():
            for key, _ in waiting.select():
                if _has_answer(key.data):
                    if not key.data.answer.startswith(b"HTTP/1.1 200 "):
                        refused.append(bytes(key.data.answer))
                    _send_next(key.data, waiting)
        return Posted(time.perf_counter() - started, refused)


def request_of(body: bytes, *, path: str, content_type: str) -> bytes:
    """Return a request with all that goes over the line."""
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "\r\n",
    )
    return "\r\n".join(lines).encode() + body


def _send_next(connection: _Connection, waiting: selectors.BaseSelector) -> None:
    request = next(connection.requests, None)
    if request is None:
        waiting.unregister(connection.socket)
        connection.socket.close()
    else:
        connection.answer.clear()
        connection.socket.sendall(request)


def _has_answer(connection: _Connection) -> bool:
    received = connection.socket.recv(MOST_BYTES)
    connection.answer += received
    head, end, body = bytes(connection.answer).partition(b"\r\n\r\n")
    if not received:
        raise HungUp(f"after {bytes(connection.answer)[:500]!r}")
    return bool(end) and len(body) >= _length(head)


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0])
