"""``WS /v1/realtime``: OpenAI's Realtime protocol, by its names of today (GA).

``?model=`` names one of the server's presets. A token comes in the header, or, from a browser, as
the subprotocol ``openai-insecure-api-key.TOKEN`` beside ``realtime``, as at OpenAI. Audio that
comes faster than it could be spoken is heard in real time; what a client that ends turns itself
held back is heard four times as fast when it asks for an answer, with silence behind it, as the
preset's own detector waits for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipelines.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from pipelines.server.doors.door import DoorRow, House
from pipelines.server.doors.holding import Tail, admitted, hold
from pipelines.server.doors.pace import Pace
from pipelines.server.protocols.commands import (
    Answer,
    Command,
    GiveResult,
    Hear,
    Instruct,
    Interrupt,
    Offer,
    Tell,
)
from pipelines.server.protocols.openai_realtime import OpenAIRealtimeServer
from pipelines.server.protocols.openai_settings import Settings
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import (
    AssistantPartial,
    AudioOut,
    Context,
    Control,
    Event,
    Failure,
    Functions,
    Interruption,
    ToolCall,
    ToolOutput,
    TurnEnd,
    UserPartial,
    UserText,
)
from pipelines.server.session.events import Command as Order
from pipelines.server.session.first_audio import is_audible
from pipelines.server.session.states import SessionError
from pipelines.wires.messages import json_text

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.websockets import WebSocket

NAME = "realtime"
PATH = "/v1/realtime"
SUBPROTOCOL = "realtime"
KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""Prefix of the subprotocol that holds a browser's token."""
MOST_TOLD = 128
"""Written messages that wait for an answer to be asked for."""
ANSWER_S = 30.0
"""Longest wait for an answer that was asked for, s."""


async def serve(socket: WebSocket, house: House) -> None:
    """One client, from its request to its close."""
    asked = socket.scope.get("subprotocols") or []
    keys = [one[len(KEY_SUBPROTOCOL) :] for one in asked if one.startswith(KEY_SUBPROTOCOL)]
    user = await admitted(socket, house, keys[0] if keys else "")
    if user is None:
        return
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in asked else None)

    async def tell(why: str) -> None:
        error = {"type": "server_error", "code": "session_ended", "message": why}
        event = {"type": "error", "event_id": "event_last", "error": error}
        await socket.send({"type": "websocket.send", "text": json_text(event)})

    preset = socket.query_params.get("model")
    await hold(
        socket, house, preset, NAME, lambda session: RealtimeTalk(socket, session), tell, user
    )


class RealtimeTalk:
    """One session over one WebSocket.

    Args:
        socket: Accepted.
        session: Started.
    """

    def __init__(self, socket: WebSocket, session: Session) -> None:
        self._socket = socket
        self._session = session
        can = session.capabilities
        settings = Settings(
            can.name,
            takes_instructions="context" in can.inputs,
            takes_tools="tool_result" in can.inputs,
        )
        self._server = OpenAIRealtimeServer(
            session.name, settings, session.in_rate_hz, session.out_rate_hz
        )
        self._sending = asyncio.Lock()
        self._tail = Tail(self._flush_audio)
        self._pace = Pace(session)
        self._told: list[Tell] = []
        """Written messages that wait for an answer to be asked for."""
        self._generation = 0
        self._quiet_ns = 0
        """Since when the user is silent, as the preset's detector found."""
        self._asked_ns: int | None = None
        """When an answer was asked for that has not begun."""

    async def listen(self) -> None:
        """Takes the client's events until it goes."""
        await self._flush()
        waiting = asyncio.create_task(self._watch())
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                data = message.get("text")
                commands = self._server.receive(data if data is not None else message["bytes"])
                await self._follow_all(commands)
                await self._flush()
        finally:
            self._tail.cancel()
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting

    async def _follow_all(self, commands: Sequence[Command]) -> None:
        """Follows commands; where a result has no call there is nothing to answer."""
        done = True
        for command in commands:
            if done or not isinstance(command, Answer):
                done &= await self._follow(command)

    async def _follow(self, command: Command) -> bool:
        """Follows a command; False: it can't be followed, and the client was told."""
        try:
            if isinstance(command, Hear):
                was_held = not self._server.settings.detects_turns
                self._pace.hear(command.pcm.astype("<i2").tobytes(), was_held)
            elif isinstance(command, Answer):
                await self._answer(command)
            elif isinstance(command, Tell):
                if len(self._told) >= MOST_TOLD:
                    raise SessionError(f"{MOST_TOLD} messages wait already: ask for an answer")
                self._told.append(command)
            elif isinstance(command, Instruct):
                await self._session.send(Context("client", command.text))
            elif isinstance(command, Offer):
                if "functions" in self._session.capabilities.inputs:
                    await self._session.send(Functions(command.functions))
            elif isinstance(command, GiveResult):
                await self._session.send(ToolOutput(command.call_id, command.output))
            elif isinstance(command, Interrupt):
                self._asked_ns = None
                self._pace.rest()
                await self._session.send(Order("interrupt"))
        except SessionError as error:
            self._server.failed(str(error))
            return False
        return True

    async def _answer(self, asked: Answer) -> None:
        """What was written goes to the agent, or what was heard comes to its end."""
        told, self._told = self._told, []
        self._asked_ns = monotonic_ns()
        for one in told:
            if one.role != "user":
                await self._session.send(Context(one.role, one.text))
        written = " ".join(one.text for one in told if one.role == "user")
        if written:
            await self._session.send(UserText(written))
        elif asked.after_audio:
            self._pace.end_turn()
        elif not asked.after_result:
            await self._session.send(Order("respond"))

    async def say(self, event: Event) -> None:
        """Sends what an event of the session means."""
        server = self._server
        if isinstance(event, AudioOut):
            self._audio(event)
        elif isinstance(event, AssistantPartial):
            self._begun()
            server.agent_words(event.text)
        elif isinstance(event, Interruption):
            self._generation = event.generation
            self._tail.cancel()
            if self._asked_ns is None:  # else it is the user's own turn, held back, that begins
                server.interrupted()
        elif isinstance(event, TurnEnd):
            self._turn_over(event)
        elif isinstance(event, Control) and event.name == "user_speaking":
            self._user(event)
        elif isinstance(event, UserPartial):
            server.user_words(event.text, event.final)
        elif isinstance(event, ToolCall):
            offered = [tool.get("name") for tool in server.settings.tools]
            if event.name in offered and not event.answered_here:
                self._begun()
                arguments = json.dumps(dict(event.arguments))
                server.tool_call(event.call_id, event.name, arguments, event.goes_on)
        elif isinstance(event, Failure):
            server.failed(event.message)
        await self._flush()

    def _audio(self, chunk: AudioOut) -> None:
        """Audio of the agent's; silence before a response is none of it."""
        if chunk.generation < self._generation:
            return
        if self._server.speaks or is_audible(chunk.pcm):
            self._begun()
            self._server.agent_audio(np.frombuffer(chunk.pcm, "<i2"))
            self._tail.spoke(chunk.samples / chunk.rate_hz)

    async def _flush_audio(self) -> None:
        self._server.flush()
        await self._flush()

    def _user(self, event: Control) -> None:
        """The user began or fell silent."""
        if event.value == "true":
            self._server.user_started(_ago_ms(event.t_ns))
        else:
            self._quiet_ns = event.t_ns
            if self._session.capabilities.full_duplex:  # it knows no turns: a pause is all there is
                self._server.user_stopped(_ago_ms(event.t_ns))

    def _turn_over(self, event: TurnEnd) -> None:
        if event.side == "user":
            self._server.user_stopped(_ago_ms(self._quiet_ns or event.t_ns))
        elif self._asked_ns is None or self._server.speaks:
            # One that was asked for goes on until something came of it.
            self._pace.rest()
            self._server.agent_done()

    def _begun(self) -> None:
        self._asked_ns = None

    async def _watch(self) -> None:
        """Ends an answer that was asked for and never came."""
        while True:
            await asyncio.sleep(1.0)
            asked_ns = self._asked_ns
            if asked_ns is not None and monotonic_ns() - asked_ns > ANSWER_S * NS_PER_S:
                self._asked_ns = None
                self._pace.rest()
                self._server.failed(f"the agent gave no answer within {ANSWER_S:.0f} s")
                await self._flush()

    async def _flush(self) -> None:
        """Sends the protocol's events in their order, whoever caused them."""
        async with self._sending:
            for event in self._server.take():
                await self._socket.send({"type": "websocket.send", "text": json_text(event)})


def _ago_ms(t_ns: int) -> float:
    return max(0.0, (monotonic_ns() - t_ns) / NS_PER_MS)


def _add(app: Starlette, house: House) -> None:
    from starlette.routing import WebSocketRoute

    async def door(socket: WebSocket) -> None:
        await serve(socket, house)

    app.router.routes.append(WebSocketRoute(PATH, door))


ROW = DoorRow(NAME, PATH, "OpenAI's Realtime protocol (GA)", add=_add)
