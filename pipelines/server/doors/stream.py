"""``WS /v1/stream``: binary int16 both ways, JSON in text frames for everything else.

The client sends 24 kHz mono in messages of any length (1,920 samples, 80 ms, is a model's frame)
and gets 24 kHz in messages of any length. ``?rate=`` names another rate for both directions, and
``?preset=`` one of the server's presets. A token comes in the header, or, from a browser, which
can't set one, as the first message: ``{"type": "auth", "token": …}``.

Server: ``status`` (state: starting, listening, speaking, interrupted, draining, closed),
``audio`` (is_filler: whether the audio from here on only fills a wait; before the first and at each
change),
``transcript`` (who, text, final), ``memory`` (injected), ``tool_call`` (call_id, name, arguments),
``tool_result`` (call_id, name, result, late), ``fallback`` (old, new, why, message), ``error``
(message). Client: ``text``, ``interrupt``, ``stop``. After ``interrupted`` the client drops what
it has not played; ``spoke`` says whether the agent was speaking: it comes whenever a user begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.clock import NS_PER_S, monotonic_ns
from pipelines.errors import LabError
from pipelines.server.access.tokens import AccessError
from pipelines.server.doors.door import (
    CODES,
    INTERNAL,
    NO_TOKEN,
    NORMAL,
    POLICY,
    RATES_HZ,
    TOO_LARGE,
    DoorError,
    DoorRow,
    Ears,
    House,
    Mouth,
    admit,
    converse,
    deny,
    end,
    relay,
    subject,
    token_of,
)
from pipelines.server.doors.holding import short
from pipelines.server.service.service import RefusedError
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import (
    AssistantPartial,
    AudioOut,
    Closed,
    Command,
    Control,
    Event,
    Failure,
    Fallback,
    Interruption,
    Memory,
    ToolCall,
    ToolResult,
    TurnEnd,
    UserPartial,
    UserText,
)
from pipelines.server.session.states import SessionError
from pipelines.wires.error import WireError
from pipelines.wires.messages import json_object, json_text

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.websockets import WebSocket

NAME = "stream"
RATE_HZ = 24_000
"""Rate of both directions, unless another is named."""
TOKEN_S = 5.0
"""Longest wait for a token in the first message, s."""
IDLE_S = 60.0
"""Silence of a client, without even a message of zeros, after which it is taken to be gone, s."""
MOST_AUDIO = 1 << 16
"""Bytes of one binary message: 1.4 s of audio."""
MOST_TEXT = 1 << 14
"""Characters of one text message."""


async def serve(socket: WebSocket, house: House) -> None:
    """One client, from its request to its close."""
    try:
        token = token_of(socket.headers.get("authorization"))
        rate_hz = _rate(socket.query_params.get("rate"))
        claims = admit(house, token) if token else None
    except AccessError as error:
        await deny(socket, str(error))
        return
    except DoorError as error:
        await deny(socket, str(error), 400)
        return
    await socket.accept()
    try:
        if not token and house.verifier is not None:
            claims = admit(house, await _first_token(socket))
        preset = socket.query_params.get("preset")
        async with house.service.conversation(preset, NAME, subject(claims)) as session:
            name = session.capabilities.name
            talk = _Talk(socket, session, rate_hz)
            events = relay(house, session, talk.say, name, NAME)
            broken = await converse(session, talk.listen(), events)
        if broken is not None:
            raise broken
        await end(socket.close(NORMAL))
    except AccessError as error:
        await end(_tell(socket, NO_TOKEN, str(error)))
    except RefusedError as refused:
        await end(_tell(socket, CODES[refused.why], str(refused)))
    except DoorError as broken_rule:
        await end(_tell(socket, broken_rule.code, str(broken_rule)))
    except LabError as error:
        await end(_tell(socket, INTERNAL, str(error)))


class _Talk:
    """One conversation over one WebSocket."""

    def __init__(self, socket: WebSocket, session: Session, rate_hz: int) -> None:
        self._socket = socket
        self._session = session
        self._rate_hz = rate_hz
        self._ears = Ears(session, rate_hz)
        self._mouth = Mouth(rate_hz)
        self._kinds = Kinds()
        self._last_ns = monotonic_ns()

    async def listen(self) -> None:
        """Takes the client's messages until it goes, says ``stop``, or falls silent.

        Raises:
            DoorError: it breaks the door's rules.
        """
        receiving = asyncio.create_task(self._receive())
        try:
            while not receiving.done():
                left_s = IDLE_S - (monotonic_ns() - self._last_ns) / NS_PER_S
                if left_s <= 0:
                    raise DoorError(POLICY, f"nothing came for {IDLE_S:.0f} s")
                await asyncio.wait({receiving}, timeout=left_s)
            receiving.result()
        finally:
            receiving.cancel()

    async def _receive(self) -> None:
        while True:
            message = await self._socket.receive()
            self._last_ns = monotonic_ns()
            if message["type"] == "websocket.disconnect":
                return
            data, text = message.get("bytes"), message.get("text")
            if data is not None:
                if len(data) > MOST_AUDIO:
                    raise DoorError(TOO_LARGE, f"a message of audio has {MOST_AUDIO} bytes at most")
                self._ears.hear(data)
            elif text is not None and not await self._told(text):
                return

    async def _told(self, text: str) -> bool:
        """Takes a text message; False: the client says good-bye."""
        message = _read(text)
        kind = message.get("type")
        try:
            if kind == "stop":
                return False
            if kind == "interrupt":
                await self._session.send(Command("interrupt"))
            elif kind == "text" and isinstance(message.get("text"), str):
                await self._session.send(UserText(message["text"]))
            elif kind != "auth":  # one that nobody asked for is no fault
                await self._send({"type": "error", "message": f"type {kind!r} is not known here"})
        except SessionError as error:
            await self._send({"type": "error", "message": str(error)})
        return True

    async def say(self, event: Event) -> None:
        """Sends what an event means."""
        if isinstance(event, AudioOut):
            if (kind := self._kinds.change(event)) is not None:
                await self._send(kind)
            await self._audio(self._mouth.speak(event))
            return
        if isinstance(event, TurnEnd) and event.side == "agent":
            await self._audio(self._mouth.rest())
        message = message_of(event)
        if message is not None:
            if message.get("state") == "starting":
                message |= {"preset": self._session.capabilities.name, "rate": self._rate_hz}
            await self._send(message)

    async def _audio(self, pcm: bytes) -> None:
        if pcm:
            await self._socket.send({"type": "websocket.send", "bytes": pcm})

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._socket.send({"type": "websocket.send", "text": json_text(message)})


class Kinds:
    """Tells a client what the agent's audio is: an answer, or what only fills a wait."""

    def __init__(self) -> None:
        self._told: bool | None = None

    def change(self, chunk: AudioOut) -> dict[str, Any] | None:
        """The text message that goes before a chunk; None: the last one holds for it too."""
        if chunk.is_filler is self._told:
            return None
        self._told = chunk.is_filler
        return {"type": "audio", "is_filler": chunk.is_filler}


def message_of(event: Event) -> dict[str, Any] | None:
    """The text message of an event; None: it has none."""
    if isinstance(event, Control) and event.name == "state" and event.value != "closed":
        return {"type": "status", "state": event.value}
    if isinstance(event, Interruption):
        return {"type": "status", "state": "interrupted", "spoke": event.spoke}
    if isinstance(event, UserPartial):
        return {"type": "transcript", "who": "user", "text": event.text, "final": event.final}
    if isinstance(event, AssistantPartial):
        return {"type": "transcript", "who": "agent", "text": event.text, "final": False}
    if isinstance(event, Memory):
        return {"type": "memory", "injected": list(event.injected)}
    if isinstance(event, ToolCall):
        return {
            "type": "tool_call",
            "call_id": event.call_id,
            "name": event.name,
            "arguments": dict(event.arguments),
        }
    if isinstance(event, ToolResult):
        return {
            "type": "tool_result",
            "call_id": event.call_id,
            "name": event.name,
            "result": event.result,
            "late": event.is_late,
        }
    if isinstance(event, Fallback):
        return {
            "type": "fallback",
            "old": event.old,
            "new": event.new,
            "why": event.why,
            "message": event.message,
        }
    if isinstance(event, Failure):
        return {"type": "error", "message": event.message}
    if isinstance(event, Closed):
        reason = {"reason": event.reason} if event.reason else {}
        return {"type": "status", "state": "closed", **reason}
    return None


def _rate(given: str | None) -> int:
    """The client's rate.

    Raises:
        DoorError: it is none that is spoken here.
    """
    if given is None:
        return RATE_HZ
    if not given.isascii() or not given.isdigit() or int(given[:6]) not in RATES_HZ:
        known = ", ".join(map(str, RATES_HZ))
        raise DoorError(POLICY, f"rate={given[:20]!r} is not spoken here: one of {known} Hz")
    return int(given[:6])


async def _first_token(socket: WebSocket) -> str:
    """The token of the first message.

    Raises:
        AccessError: it holds none, or does not come.
    """
    try:
        async with asyncio.timeout(TOKEN_S):
            message = await socket.receive()
    except TimeoutError:
        raise AccessError(f"no token came within {TOKEN_S:.0f} s") from None
    if message["type"] == "websocket.disconnect":
        raise AccessError("the client went away without a token")
    try:
        table = _read(message.get("text") or "")
    except DoorError:
        table = {}
    token = table.get("token") if table.get("type") == "auth" else None
    if not isinstance(token, str):
        raise AccessError(
            'a token is needed: the header Authorization: Bearer …, or the first message {"type": '
            '"auth", "token": …}'
        )
    return token


def _read(text: str) -> dict[str, Any]:
    """A text message.

    Raises:
        DoorError: it is too long, or no JSON object.
    """
    if len(text) > MOST_TEXT:
        raise DoorError(TOO_LARGE, f"a text message has {MOST_TEXT} characters at most")
    try:
        return json_object(text)
    except WireError:
        raise DoorError(POLICY, "a text message is no JSON object") from None


async def _tell(socket: WebSocket, code: int, sentence: str) -> None:
    """Tells a client why, and closes."""
    text = json_text({"type": "error", "message": sentence})
    await socket.send({"type": "websocket.send", "text": text})
    await socket.close(code, short(sentence))


def _add(app: Starlette, house: House) -> None:
    from starlette.routing import WebSocketRoute

    async def door(socket: WebSocket) -> None:
        await serve(socket, house)

    app.router.routes.append(WebSocketRoute("/v1/stream", door))


ROW = DoorRow(
    NAME, "/v1/stream", "int16 in binary messages, JSON for the rest; bearer tokens", add=_add
)
