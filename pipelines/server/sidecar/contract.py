"""The sidecar's contract: requests and answers as plain tables, whatever carries them.

====================  ==========================================  =================================
op                    request                                     answer
====================  ==========================================  =================================
``health``            –                                           ready, draining, open
``capabilities``      –                                           presets: each with what it can do
``open``              preset                                      session, capabilities
``step``              session, pcm (may be empty), wait_ms        events since the last step
``send``              session, input                              –
``close``             session                                     events up to ``closed``
====================  ==========================================  =================================

Each answer has ``ok``; of a refused request it is false, with ``error``, one sentence. Audio is
int16 mono: bytes in CBOR, base64 in JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pipelines.clock import NS_PER_S, monotonic_ns
from pipelines.errors import LabError
from pipelines.server.service.service import VoiceService
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import (
    NAMES,
    Closed,
    Command,
    Context,
    Event,
    Functions,
    Input,
    Say,
    ToolOutput,
    UserText,
)

MOST_BYTES = 4 << 20
"""Bytes of a request or an answer."""
MOST_AUDIO_S = 10.0
"""Longest audio of one step, s."""
MOST_WAIT_MS = 5_000
"""Longest wait of a step for events, ms."""
IDLE_S = 60.0
"""Time without a step after which a session is closed, s."""
NAME = "sidecar"
INPUTS: dict[str, type] = {
    "text": UserText,
    "say": Say,
    "functions": Functions,
    "tool_result": ToolOutput,
    "context": Context,
    "command": Command,
}
"""``kind`` of an input → its record, whose fields are the others."""


class RequestError(LabError):
    """A request is not of the contract; one sentence."""


def as_table(event: Event) -> dict[str, Any]:
    """An event as a table, its audio as bytes."""
    table = {part.name: getattr(event, part.name) for part in fields(event)}
    return {"event": NAMES[type(event)], **table}


@dataclass(slots=True)
class _Held:
    """A session between two requests."""

    session: Session
    stack: contextlib.AsyncExitStack
    preset: str
    used_ns: int
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sidecar:
    """Answers requests; its sessions live from ``open`` to ``close``, or until nobody steps them.

    Args:
        service: The presets.
    """

    def __init__(self, service: VoiceService) -> None:
        self._service = service
        self._held: dict[str, _Held] = {}
        self._sweeping: asyncio.Task[None] | None = None
        self._ops: dict[str, Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]] = {
            "health": self._health,
            "capabilities": self._capabilities,
            "open": self._open,
            "step": self._step,
            "send": self._send,
            "close": self._close,
        }

    async def answer(self, request: object) -> dict[str, Any]:
        """The answer to a request; it never raises for what a client sent."""
        try:
            if not isinstance(request, Mapping):
                raise RequestError("a request is a table with op")
            op = request.get("op")
            if not isinstance(op, str) or op not in self._ops:
                raise RequestError(f"op is one of {', '.join(self._ops)}")
            return {"ok": True, **await self._ops[op](request)}
        except LabError as error:
            return {"ok": False, "error": str(error)}

    async def aclose(self) -> None:
        """Closes every session."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for name in list(self._held):
            await self._drop(name)

    async def _health(self, _: Mapping[str, Any]) -> dict[str, Any]:
        service = self._service
        return {"ready": service.ready, "draining": service.draining, "open": service.open}

    async def _capabilities(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"presets": {name: can.as_table() for name, can in self._service.can().items()}}

    async def _open(self, request: Mapping[str, Any]) -> dict[str, Any]:
        preset = request.get("preset", "")
        if not isinstance(preset, str):
            raise RequestError("preset is a text")
        stack = contextlib.AsyncExitStack()
        session = await stack.enter_async_context(self._service.conversation(preset, NAME))
        name = secrets.token_urlsafe(12)
        self._held[name] = _Held(session, stack, session.capabilities.name, monotonic_ns())
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep())
        return {"session": name, "capabilities": session.capabilities.as_table()}

    async def _step(self, request: Mapping[str, Any]) -> dict[str, Any]:
        held = self._of(request)
        pcm, wait_ms = request.get("pcm", b""), request.get("wait_ms", 0)
        if not isinstance(pcm, bytes):
            raise RequestError("pcm is int16 audio: bytes in CBOR, base64 in JSON")
        if not isinstance(wait_ms, int) or not 0 <= wait_ms <= MOST_WAIT_MS:
            raise RequestError(f"wait_ms is a whole number from 0 to {MOST_WAIT_MS}")
        if len(pcm) / 2 > MOST_AUDIO_S * held.session.in_rate_hz:
            raise RequestError(f"a step has {MOST_AUDIO_S:.0f} s of audio at most")
        async with held.busy:
            held.session.push(pcm)
            return {"events": await self._events(held, wait_ms / 1_000)}

    async def _send(self, request: Mapping[str, Any]) -> dict[str, Any]:
        held = self._of(request)
        await held.session.send(_input(request.get("input")))
        return {}

    async def _close(self, request: Mapping[str, Any]) -> dict[str, Any]:
        held = self._of(request)
        async with held.busy:
            await held.session.stop()
            events = await self._events(held, 0.0)
        await self._drop(str(request["session"]))
        return {"events": events}

    async def _events(self, held: _Held, wait_s: float) -> list[dict[str, Any]]:
        """What has happened since the last look; waits for the first of it, ``wait_s`` at most."""
        if not held.session.waiting and wait_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await held.session.wait_for_event()
        taken = held.session.take_events()
        for event in taken:
            self._service.figures.take(event, held.preset, NAME)
        held.used_ns = monotonic_ns()
        return [as_table(event) for event in taken]

    def _of(self, request: Mapping[str, Any]) -> _Held:
        held = self._held.get(str(request.get("session", "")))
        if held is None:
            raise RequestError("there is no such session: it was closed, or never opened")
        return held

    async def _drop(self, name: str) -> None:
        held = self._held.pop(name, None)
        if held is not None:
            await held.stack.aclose()

    async def _sweep(self) -> None:
        """Closes sessions that nobody steps."""
        while True:
            await asyncio.sleep(IDLE_S / 4)
            for name, held in list(self._held.items()):
                if (monotonic_ns() - held.used_ns) / NS_PER_S > IDLE_S and not held.busy.locked():
                    await self._drop(name)


def _input(given: object) -> Input:
    """An input of a request.

    Raises:
        RequestError: it is none.
    """
    kinds = ", ".join(INPUTS)
    if not isinstance(given, Mapping) or given.get("kind") not in INPUTS:
        raise RequestError(f"input is a table whose kind is one of {kinds}")
    record = INPUTS[str(given["kind"])]
    values = {key: value for key, value in given.items() if key != "kind"}
    known = {part.name: part.type for part in fields(record)}
    for key, value in values.items():
        if key not in known or (known[key] == "str" and not isinstance(value, str)):
            raise RequestError(f"input {given['kind']}: {key} does not fit; it has {[*known]}")
    try:
        made: Input = record(**values)
    except TypeError as error:
        raise RequestError(f"input {given['kind']}: {error}") from None
    if isinstance(made, Functions) and not (
        isinstance(made.functions, list) and all(isinstance(f, Mapping) for f in made.functions)
    ):
        raise RequestError("input functions: functions is a list of tables with name, parameters")
    if isinstance(made, Command) and made.name not in ("interrupt", "respond"):
        raise RequestError("input command: name is interrupt or respond")
    return made


__all__ = ["MOST_BYTES", "Closed", "RequestError", "Sidecar", "as_table"]
