"""`RemoteBackend`: a server elsewhere that speaks our ``/v1/stream``, as a conversation's agent."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pipelines.clock import Clock, monotonic_ns
from pipelines.errors import LabError
from pipelines.server.session.backend import Capabilities, Emit
from pipelines.server.session.events import (
    AssistantPartial,
    AudioIn,
    AudioOut,
    Command,
    Event,
    Failure,
    Input,
    Interruption,
    UserPartial,
    UserText,
)
from pipelines.server.session.states import SessionError

RATE_HZ = 24_000
CONNECT_S = 10.0
"""Longest time for the server to take the conversation, s."""
CLOSE_S = 1.0
MOST_QUEUED = 500
"""Chunks that may wait for the socket; older ones are dropped."""
MOST_MESSAGE = 1 << 20
"""Bytes of a message of its."""


class RemoteBackend:
    """One conversation with a server elsewhere.

    Args:
        url: ``wss://host/v1/stream?preset=NAME``.
        token_env: Environment variable that holds the bearer token; empty: none is needed.
        clock: The machine's clock.
    """

    def __init__(self, url: str, token_env: str = "", clock: Clock = monotonic_ns) -> None:
        self.capabilities = Capabilities(
            url, RATE_HZ, RATE_HZ, inputs=("audio", "text", "interrupt")
        )
        self._url = _with_rate(url)
        self._token_env = token_env
        self._clock = clock
        self._emit: Emit | None = None
        self._socket: Any = None
        self._out: asyncio.Queue[bytes | str] = asyncio.Queue(MOST_QUEUED)
        self._tasks: list[asyncio.Task[None]] = []
        self._sequence = 0
        self._generation = 0
        self._is_filler = False

    async def start(self, emit: Emit) -> None:
        """Connects, and waits until the server listens.

        Raises:
            LabError: it can't be reached, refuses, or does not listen in time.
        """
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        try:
            async with asyncio.timeout(CONNECT_S):
                self._socket = await connect(
                    self._url,
                    additional_headers=self._headers(),
                    max_size=MOST_MESSAGE,
                    compression=None,
                )
                await self._until_it_listens()
        except (OSError, TimeoutError, WebSocketException) as error:
            await self.stop()
            why = str(error) or f"no answer within {CONNECT_S:.0f} s"
            raise LabError(f"the remote line {self._name} can't be reached: {why}") from None
        self._emit = emit
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]

    def push(self, chunk: AudioIn) -> None:
        """Queues a chunk; where the network is too slow, the oldest is dropped."""
        self._put(chunk.pcm)

    async def send(self, given: Input) -> None:
        """Queues a text or an interruption.

        Raises:
            SessionError: it takes no other input.
        """
        import json

        if isinstance(given, UserText):
            self._put(json.dumps({"type": "text", "text": given.text}))
        elif isinstance(given, Command) and given.name == "interrupt":
            self._put(json.dumps({"type": "interrupt"}))
        else:
            takes = ", ".join(self.capabilities.inputs)
            raise SessionError(f"{self._name} takes no {type(given).__name__}: it takes {takes}.")

    async def stop(self) -> None:
        """Hangs up."""
        self._emit = None
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        socket, self._socket = self._socket, None
        if socket is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
                    await socket.close()

    # inside

    @property
    def _name(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self._url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def _headers(self) -> dict[str, str]:
        if not self._token_env:
            return {}
        token = os.environ.get(self._token_env, "")
        if not token:
            raise LabError(
                f"The environment variable {self._token_env} is not set: it is to hold the token "
                f"of the remote line {self._name}."
            )
        return {"Authorization": f"Bearer {token}"}

    def _put(self, message: bytes | str) -> None:
        if self._out.full():
            self._out.get_nowait()
        self._out.put_nowait(message)

    async def _until_it_listens(self) -> None:
        """Reads until it says so.

        Raises:
            LabError: it says an error instead, or hangs up.
        """
        async for message in self._socket:
            table = _table(message)
            if table.get("type") == "error":
                raise LabError(f"the remote line {self._name} refuses: {table.get('message')}")
            if table.get("type") == "status" and table.get("state") == "listening":
                return
        raise LabError(f"the remote line {self._name} hung up before it listened")

    async def _send(self) -> None:
        while True:
            await self._socket.send(await self._out.get())

    async def _receive(self) -> None:
        from websockets.exceptions import WebSocketException

        why = "hung up"
        try:
            async for message in self._socket:
                if (event := self._event(message)) is not None:
                    self._tell(event)
        except (OSError, WebSocketException) as error:
            why = f"was lost: {error}"
        self._tell(Failure(self._clock(), f"the remote line {self._name} {why}", fatal=True))

    def _event(self, message: bytes | str) -> Event | None:
        now_ns = self._clock()
        if isinstance(message, bytes):
            chunk = AudioOut(
                now_ns,
                self._sequence,
                RATE_HZ,
                message,
                is_filler=self._is_filler,
                generation=self._generation,
            )
            self._sequence += 1
            return chunk
        table = _table(message)
        kind, text = table.get("type"), str(table.get("text", ""))
        if kind == "status" and table.get("state") == "interrupted":
            self._generation += 1
            return Interruption(now_ns, self._generation)
        if kind == "audio":
            self._is_filler = table.get("is_filler") is True
            return None
        if kind == "transcript" and table.get("who") == "user":
            return UserPartial(now_ns, text, bool(table.get("final")))
        if kind == "transcript":
            return AssistantPartial(now_ns, text)
        if kind == "error":
            return Failure(now_ns, str(table.get("message", "")))
        return None

    def _tell(self, event: Event) -> None:
        if self._emit is not None:
            self._emit(event)


def _table(message: bytes | str) -> Mapping[str, Any]:
    """A text message as a table; empty of anything else."""
    from pipelines.wires.error import WireError
    from pipelines.wires.messages import json_object

    if isinstance(message, bytes):
        return {}
    try:
        return json_object(message)
    except WireError:
        return {}


def _with_rate(url: str) -> str:
    """The address, asking for our rate."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {"rate": str(RATE_HZ)}
    return urlunsplit(parts._replace(query=urlencode(query)))
