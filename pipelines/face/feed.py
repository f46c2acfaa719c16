"""From the agent's process to the face's server: a websocket that never makes the pipeline wait.

Messages that can't be sent at once wait in a short queue; what does not fit is dropped and counted.
A server that is away is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from aiohttp import ClientWebSocketResponse

HEAD = struct.Struct("<BxHIQ")
"""Header before samples: kind (0 agent, 1 user), rate in Hz, 0, index of the first one in its
stream."""
AGENT, USER = 0, 1
QUEUE = 1000
"""Longest queue of messages: some 10 s of audio in chunks of 10 ms."""
RETRY_S = 0.5


class Feed(Protocol):
    """Takes messages for a face."""

    def put(self, message: str | bytes) -> None:
        """Takes one message; must not block."""


def audio_message(kind: int, rate_hz: int, at: int, pcm: bytes) -> bytes:
    """Takes samples with the index of the first."""
    return HEAD.pack(kind, rate_hz, 0, at) + pcm


class SocketFeed:
    """A `Feed` to the server at ``url``; a context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: asyncio.Queue[str | bytes] = asyncio.Queue(QUEUE)
        self.dropped = 0
        """Number of messages that did not fit."""
        self._task: asyncio.Task[None] | None = None

    def put(self, message: str | bytes) -> None:
        """Takes one message, or drops it."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.dropped += 1

    async def __aenter__(self) -> SocketFeed:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._queue.join()
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        import aiohttp

        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                    async with session.ws_connect(self._url) as socket:
                        await self._send_all(socket)
                await asyncio.sleep(RETRY_S)

    async def _send_all(self, socket: ClientWebSocketResponse) -> None:
        while True:
            message = await self._queue.get()
            try:
                if isinstance(message, str):
                    await socket.send_str(message)
                else:
                    await socket.send_bytes(message)
            finally:
                self._queue.task_done()
