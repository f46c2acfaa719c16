"""The parent's two small halves of `process.process`: the socket to a child, and one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

from pipelines.errors import ModelError
from pipelines.marks import MarkSink
from pipelines.process.wire import Decoder, Header, WireError, pack

Reply = tuple[Header, bytes]

CANCEL_GRACE_S = 1.0
"""Longest time for a child to confirm a cancel, s. The slowest engine needs a third of it; one that
does not stop would make the next request wait for unwanted work."""


class ChildLink(asyncio.Protocol):
    """The socket to a child process: whole messages out and in."""

    def __init__(self, take: Callable[[Header, bytes], None], lost: Callable[[str], None]) -> None:
        self._take = take
        self._lost = lost
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        try:
            messages = self._decoder.feed(data)
        except WireError as error:
            self._lost(f"sent what is not a message ({error})")
            self.close()
            return
        for header, payload in messages:
            self._take(header, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop when the child closed its end or died."""
        self._transport = None
        self._lost("")

    def send(self, header: Header, payload: bytes = b"") -> None:
        """Writes one message; nothing happens if the child is gone (its loss is reported apart)."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(pack(header, payload))

    def close(self) -> None:
        """Closes the socket at once."""
        if self._transport is not None:
            self._transport.abort()


class ModelRequest(AsyncIterator[Reply]):
    """One request, from the parent's side: iterate over its replies, feed it, or cancel it."""

    def __init__(
        self,
        request_id: str,
        *,
        send: Callable[[Header, bytes], None],
        sink: MarkSink,
        timeout_s: float,
        on_timeout: Callable[[ModelRequest], None],
        fed: bool,
        owes: str = "",
        cancel_grace_s: float = CANCEL_GRACE_S,
    ) -> None:
        self.id = request_id
        """Id that connects its marks."""
        self.sink = sink
        """Takes its marks."""
        self.cancelled = False
        """True if `cancel` was called before it ended."""
        self.owes = owes
        """Name of the reply that the child owes for each piece; empty: none before the last
        piece."""
        self._owed = 0
        self._cancel_grace_s = cancel_grace_s
        self._send = send
        self._timeout_s = timeout_s
        self._on_timeout = on_timeout
        self._replies: asyncio.Queue[Reply | ModelError | None] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._fed = fed
        self._arm(timeout_s)

    @property
    def ended(self) -> bool:
        """True if the child has sent its last word on it (or is gone)."""
        return self._over.is_set()

    async def wait_ended(self) -> None:
        """Waits for the child's last word, or its death."""
        await self._over.wait()

    def feed(self, header: Header | None = None, payload: bytes = b"", *, last: bool) -> None:
        """Sends a piece of a request that was opened with ``fed=True``."""
        if self.ended or not self._fed:
            return
        piece = {**(header or {}), "last": last}
        self._send({"type": "feed", "id": self.id, "header": piece}, payload)
        if self.owes and not last:
            self._owed += 1
            if self._owed == 1:
                self._arm(self._timeout_s)
        if last:
            self._fed = False
            self._arm(self._timeout_s)

    def cancel(self) -> None:
        """Asks the child to stop, within `CANCEL_GRACE_S`; nothing happens if it has ended."""
        if self.ended or self.cancelled:
            return
        self.cancelled = True
        self._send({"type": "cancel", "id": self.id}, b"")
        self._fed = False
        self._arm(self._cancel_grace_s)  # a child that does not even stop is hung
        self._replies.put_nowait(None)

    def reply(self, header: Header, payload: bytes) -> None:
        """Takes a reply of the child."""
        if not self.cancelled:  # replies on their way don't prolong the time to stop
            self._owed = max(0, self._owed - 1)
            self._arm(self._timeout_s)
            self._replies.put_nowait((header, payload))

    def end(self, error: ModelError | None) -> None:
        """Takes the child's last word, or its death."""
        self._over.set()
        self._disarm()
        self._replies.put_nowait(error)

    def __aiter__(self) -> ModelRequest:
        return self

    async def __anext__(self) -> Reply:
        if not self._replies.empty():
            # A fast child delivers a hundred replies at once. Taken without a pause, the last
            # would be handled before whoever waits for the first one's effect runs at all.
            await asyncio.sleep(0)
        item = await self._replies.get()
        if isinstance(item, tuple):
            return item
        self._replies.put_nowait(item)  # whoever asks again gets the same
        if item is None:
            raise StopAsyncIteration
        raise item

    def _arm(self, timeout_s: float) -> None:
        """Restarts the child's time limit, if it owes anything while pieces are still to come."""
        self._disarm()
        if self._owed or not self._fed:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(timeout_s, self._on_timeout, self)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def seen(future: asyncio.Future[None]) -> None:
    """Marks a future's exception as seen: not every possible waiter waits for it."""
    if not future.cancelled():
        future.exception()
