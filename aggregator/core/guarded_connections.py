"""Connections to peers that nobody trusts: where one leads is checked before it is used, and answers are timed.

A name may lead elsewhere when we connect than when it was looked up. And the time limit of a socket starts anew with
each byte, so a peer that sends one now and then would hold us for ever: an answer must be all there by an instant, its
head too, however little of it comes at a time.
"""

import io
import socket
import time
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

SILENCES = 2
"""How many times as long as the other side may be silent it may take in all."""


class AnswerTooSlow(RuntimeError):
    """The time was over before the answer was complete."""


class NotConnected(RuntimeError):
    """No connection came about, so nothing was sent."""


class GuardedAdapter(HTTPAdapter):
    """Opens the connections of a session; its timeout for reading is the longest silence.

    None is used before `check` of host and IP address has passed. Raises `NotConnected` where there is none.
    """

    def __init__(self, check: Callable[[str, str], None]) -> None:
        self._check = check
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        """Make the pools of connections."""
        super().init_poolmanager(*args, **more)
        check = self._check

        class Guarded(HTTPConnection):
            response_class = _TimedResponse

            def connect(self) -> None:
                try:
                    super().connect()
                except (HTTPError, OSError, ValueError) as error:  # the last of a certificate of another host
                    raise NotConnected(str(error)) from error
                check(self.host, self.sock.getpeername()[0])

        class GuardedAndSecure(Guarded, HTTPSConnection):
            pass

        plain = type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": Guarded})
        secure = type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": GuardedAndSecure})
        self.poolmanager.pool_classes_by_scheme = {"http": plain, "https": secure}


class _TimedSocket(io.RawIOBase):
    def __init__(self, stream: io.RawIOBase, source: socket.socket) -> None:
        self._stream, self._socket = stream, source
        self._silence_seconds: float = source.gettimeout()  # type: ignore[assignment]  # our client always sets one
        self._until = time.monotonic() + SILENCES * self._silence_seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_seconds = self._until - time.monotonic()
        if left_seconds <= 0:
            raise AnswerTooSlow
        self._socket.settimeout(min(left_seconds, self._silence_seconds))
        try:
            return self._stream.readinto(buffer)
        except TimeoutError:
            if left_seconds < self._silence_seconds:
                raise AnswerTooSlow from None
            raise
        finally:
            self._socket.settimeout(self._silence_seconds)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = io.BufferedReader(_TimedSocket(self.fp.detach(), sock))
