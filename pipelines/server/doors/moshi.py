"""``WS /api/chat``: the protocol of Moshi's and PersonaPlex's servers.

``?preset=`` names one of the server's presets; ``text_prompt``, ``voice_prompt`` and ``seed`` of
PersonaPlex are taken, the web client's parameters passed over. The handshake is sent once the
conversation has its seat. A client for which there is none is refused, by a message of kind 5 and
close code 1013, where Moshi's own server lets it hang.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.server.doors.door import POLICY, DoorError, DoorRow, Ears, House, deny
from pipelines.server.doors.holding import Tail, admitted, hold
from pipelines.server.protocols.commands import Hear
from pipelines.server.protocols.moshi import MoshiServer, Persona, persona
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import (
    AssistantPartial,
    AudioOut,
    Context,
    Event,
    Failure,
    Interruption,
    TurnEnd,
)
from pipelines.wires import moshi
from pipelines.wires.error import WireError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.websockets import WebSocket

NAME = "moshi"
PATH = "/api/chat"


async def serve(socket: WebSocket, house: House) -> None:
    """One client, from its request to its close."""
    try:
        wanted = persona(socket.query_params)
    except WireError as error:
        await deny(socket, str(error), 400)
        return
    user = await admitted(socket, house)
    if user is None:
        return
    await socket.accept()

    async def tell(why: str) -> None:
        await _send(socket, moshi.message(moshi.ERROR, why.encode()))

    preset = socket.query_params.get("preset")
    await hold(socket, house, preset, NAME, lambda s: MoshiTalk(socket, s, wanted), tell, user)


class MoshiTalk:
    """One session over one WebSocket.

    Args:
        socket: Accepted.
        session: Started.
        wanted: What the address asks for.
    """

    def __init__(self, socket: WebSocket, session: Session, wanted: Persona) -> None:
        self._socket = socket
        self._session = session
        self._wanted = wanted
        self._server = MoshiServer(session.in_rate_hz, session.out_rate_hz)
        self._ears = Ears(session, session.in_rate_hz)
        self._tail = Tail(self._flush_audio)
        self._generation = 0

    async def listen(self) -> None:
        """Takes the client's messages until it goes.

        Raises:
            DoorError: one is not of the protocol.
        """
        if self._wanted.text and "context" in self._session.capabilities.inputs:
            await self._session.send(Context("client", self._wanted.text))
        await self._flush()
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                data = message.get("bytes")
                if data is None:
                    raise DoorError(POLICY, "a text message: Moshi's are binary")
                for command in self._server.receive(data):
                    if isinstance(command, Hear):
                        self._ears.hear(command.pcm.astype("<i2").tobytes())
        except WireError as error:
            raise DoorError(POLICY, str(error)) from None
        finally:
            self._tail.cancel()

    async def say(self, event: Event) -> None:
        """Sends what an event of the session means."""
        if isinstance(event, AudioOut):
            if event.generation >= self._generation:
                self._server.agent_audio(np.frombuffer(event.pcm, "<i2"))
                self._tail.spoke(event.samples / event.rate_hz)
        elif isinstance(event, AssistantPartial):
            self._server.agent_words(event.text)
        elif isinstance(event, Interruption):
            self._generation = event.generation
            self._tail.cancel()
            self._server.interrupted()
        elif isinstance(event, TurnEnd) and event.side == "agent":
            self._server.flush()
        elif isinstance(event, Failure) and not event.fatal:  # a fatal one is told at the end
            self._server.failed(event.message)
        await self._flush()

    async def _flush_audio(self) -> None:
        self._server.flush()
        await self._flush()

    async def _flush(self) -> None:
        for message in self._server.take():
            await _send(self._socket, message)


async def _send(socket: WebSocket, message: bytes) -> None:
    await socket.send({"type": "websocket.send", "bytes": message})


def _add(app: Starlette, house: House) -> None:
    from starlette.routing import WebSocketRoute

    async def door(socket: WebSocket) -> None:
        await serve(socket, house)

    app.router.routes.append(WebSocketRoute(PATH, door))


ROW = DoorRow(
    NAME, PATH, "the protocol of Moshi's and PersonaPlex's servers", add=_add, needs=("sphn",)
)
