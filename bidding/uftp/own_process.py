"""`POST /shapeshifter/api/v3/message` in a process of its own: an ASGI application.

One thread reads and checks messages as they come; another stores all that came meanwhile, in one statement with one
commit, and each is answered after that. So nobody waits for company, and the busier it is the more each trip does.
What cannot be stored like that (first messages, repeats, new keys, large ones) is looked at closely, in threads beside.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.db import close_old_connections

from aggregator.core.messaging.inbox import Incoming
from aggregator.core.services import clock
from bidding.markets.uftp.transport import MESSAGE_PATH
from bidding.uftp.answering import NOTHING_HERE, STORE_FAILURES, answer_of, not_stored, refused_by_headers
from bidding.uftp.last_key import Outcome, store_all
from bidding.uftp.receiving import Received, finish, open_quickly
from bidding.uftp.services import is_on

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_Turn = tuple[list[Incoming], asyncio.Task[list[Outcome]]]

CLOSE_LOOKS = 8
"""Threads for them: a look-up of a stranger's key may take seconds."""

MOST_QUICK_BYTES = 64 * 1024
"""Reading this takes about a millisecond, in which nobody else is read; more is read beside."""

HEALTH_PATH = "/healthz"


class MessageDoor:
    """The application."""

    def __init__(self) -> None:
        self._storing = _InTurns()
        self._close_looks = ThreadPoolExecutor(CLOSE_LOOKS, thread_name_prefix="close-look")

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"Nothing here speaks {scope['type']}.")  # so ASGI has an application decline
        if scope["path"] == HEALTH_PATH:
            status, text = 200, "live"
        elif scope["path"] != MESSAGE_PATH or not is_on():
            status, text = 404, NOTHING_HERE
        elif scope["method"] != "POST":
            status, text = 405, "Messages are posted."
        else:
            status, text = answer_of(await self._received(scope, receive))
        body = text.encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _received(self, scope: Event, receive: Receive) -> Received:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = refused_by_headers(
            content_type=headers.get("content-type"), content_length=headers.get("content-length")
        )
        if refused:
            return refused
        body, now = await _read(receive), clock().now()
        quick = open_quickly(body=body, now=now) if len(body) <= MOST_QUICK_BYTES else None
        if isinstance(quick, Received):
            return quick
        try:
            outcome = await self._storing.store(quick) if quick else None
            if outcome is Outcome.STORED:
                return finish(outcome, body=body, now=now)
            return await _in_thread(self._close_looks, finish, outcome, body=body, now=now)
        except STORE_FAILURES as failure:
            return not_stored(failure)


class _InTurns:
    """Stores together what came while the turn before was under way."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._under_way = asyncio.Lock()
        self._next: _Turn | None = None

    async def store(self, message: Incoming) -> Outcome:
        """Return what became of a message; raises as `store_all`."""
        if self._next is None:
            messages: list[Incoming] = []
            self._next = messages, asyncio.create_task(self._store(messages))
        messages, outcomes = self._next
        place = len(messages)
        messages.append(message)
        return (await asyncio.shield(outcomes))[place]  # a sender that hangs up takes nothing from the others

    async def _store(self, messages: list[Incoming]) -> list[Outcome]:
        async with self._under_way:
            self._next = None  # who comes from now on takes the next turn
            return await _in_thread(self._thread, store_all, messages)


async def _read(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        event = await receive()
        parts.append(event.get("body", b""))
        more = event.get("more_body", False)
    return b"".join(parts)


async def _in_thread(
    threads: ThreadPoolExecutor,
    work: Callable[Parameters, Result],
    *given: Parameters.args,
    **named: Parameters.kwargs,
) -> Result:
    def do() -> Result:
        close_old_connections()  # as Django does before each request: a connection that has died is made anew
        return work(*given, **named)

    return await asyncio.get_running_loop().run_in_executor(threads, do)
