"""Twilio: ``POST /twilio/voice`` answers a call, ``WS /twilio/media`` is its audio.

The webhook's signature is checked by the account's auth token; its answer (TwiML) sends the call to
the media stream with a ticket, good for one call and for a minute. ``?preset=`` of the webhook
names one of the server's presets. A media stream without a ticket needs a bearer token, where the
server asks for tokens at all.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import numpy as np

from pipelines.server.access.tokens import AccessError
from pipelines.server.doors.door import (
    NO_TOKEN,
    POLICY,
    DoorError,
    DoorRow,
    Ears,
    House,
    admit,
    end,
    token_of,
)
from pipelines.server.doors.holding import Tail, hold, short
from pipelines.server.protocols.commands import Command, HangUp, Hear, PressKey
from pipelines.server.protocols.twilio import Greeting, TwilioCall
from pipelines.server.protocols.twilio_request import is_twilios, twiml
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import AudioOut, Context, Event, Interruption, TurnEnd
from pipelines.server.session.first_audio import is_audible
from pipelines.wires.error import WireError
from pipelines.wires.messages import json_text
from pipelines.wires.twilio import Start

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

NAME = "twilio"
VOICE_PATH, PATH = "/twilio/voice", "/twilio/media"
TICKET_S = 60.0
"""For how long a ticket of the webhook's is good, s."""
MOST_TICKETS = 1_000
"""Tickets that wait for their call; of more the oldest go."""
START_S = 5.0
"""Longest wait for Twilio's first two messages, s."""
LARGEST_FORM = 1 << 16
"""Bytes of a webhook's form."""


@dataclass(slots=True)
class Tickets:
    """Calls that Twilio announced and whose media stream has not come yet."""

    _good_until_s: dict[str, float] = field(default_factory=dict)

    def new(self) -> str:
        """A ticket for one call."""
        now_s = time.monotonic()
        kept = {k: s for k, s in self._good_until_s.items() if s > now_s}
        self._good_until_s = dict(list(kept.items())[-MOST_TICKETS + 1 :])
        ticket = secrets.token_urlsafe(24)
        self._good_until_s[ticket] = now_s + TICKET_S
        return ticket

    def take(self, ticket: str) -> bool:
        """Whether a ticket is good; it is used up."""
        return self._good_until_s.pop(ticket, 0.0) > time.monotonic()


async def voice(request: Request, house: House, tickets: Tickets) -> Response:
    """Answers Twilio's webhook by the TwiML that connects the call."""
    from starlette.responses import PlainTextResponse, Response

    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_FORM:
            return PlainTextResponse(f"a form has {LARGEST_FORM} bytes at most\n", 413)
    query = f"?{request.url.query}" if request.url.query else ""
    public = urlsplit(house.public_url)
    url = urlunsplit(public._replace(path=request.url.path)) + query
    form = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    if not _is_welcome(request, house, url, form):
        house.service.figures.refused("signature")
        return PlainTextResponse("this request is not signed by Twilio\n", 403)
    stream = public._replace(scheme="wss" if public.scheme == "https" else "ws", path=PATH)
    parameters = {"ticket": tickets.new()}
    if preset := request.query_params.get("preset"):
        parameters["preset"] = preset
    return Response(twiml(urlunsplit(stream), parameters), media_type="text/xml")


def _is_welcome(request: Request, house: House, url: str, form: list[tuple[str, str]]) -> bool:
    """Whether a webhook is Twilio's; without an auth token, only where nobody is asked anyway."""
    if not house.twilio_token:
        return house.verifier is None
    given = request.headers.get("x-twilio-signature", "")
    return is_twilios(house.twilio_token, url, form, given)


async def media(socket: WebSocket, house: House, tickets: Tickets) -> None:
    """One call, from its media stream's request to its close."""
    await socket.accept()
    try:
        async with asyncio.timeout(START_S):
            started = await _started(socket)
        parameters = started.parameters if started else {}
        if not tickets.take(parameters.get("ticket", "")):
            _admit_without_ticket(socket, house)
    except TimeoutError:
        why = f"Twilio's 'start' did not come within {START_S:.0f} s"
        await end(socket.close(POLICY, short(why)))
        return
    except WireError as error:
        await end(socket.close(POLICY, short(str(error))))
        return
    except AccessError as error:
        await end(socket.close(NO_TOKEN, short(str(error))))
        return
    if started is None:
        return
    greeting = started

    async def tell(why: str) -> None:
        """Nothing: Twilio's protocol has no words for it; the close frame holds it."""

    def talk_of(session: Session) -> TwilioTalk:
        return TwilioTalk(socket, session, greeting)

    # Nobody: a telephone may be anyone's.
    await hold(socket, house, parameters.get("preset"), NAME, talk_of, tell, None)


def _admit_without_ticket(socket: WebSocket, house: House) -> None:
    """Lets in who has a bearer token, or everybody where nobody is asked for anything.

    Raises:
        AccessError: neither is so.
    """
    if house.twilio_token and house.verifier is None:
        raise AccessError(f"a ticket of {VOICE_PATH} is needed")
    admit(house, token_of(socket.headers.get("authorization")))


async def _started(socket: WebSocket) -> Start | None:
    """Twilio's ``start``; None: it hung up before.

    Raises:
        WireError: something else came.
    """
    greeting, start = Greeting(), None
    while start is None:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        start = greeting.receive(_text(message))
    return start


def _text(message: Mapping[str, Any]) -> str:
    text = message.get("text")
    if not isinstance(text, str):
        raise WireError("a binary message: Twilio's are JSON texts")
    return text


class TwilioTalk:
    """One call over one WebSocket.

    Args:
        socket: Accepted.
        session: Started.
        start: Twilio's.
    """

    def __init__(self, socket: WebSocket, session: Session, start: Start) -> None:
        self._socket = socket
        self._session = session
        self._call = TwilioCall(start, session.in_rate_hz, session.out_rate_hz)
        self._ears = Ears(session, session.in_rate_hz)
        self._tail = Tail(self._flush_audio)
        self._generation = 0

    async def listen(self) -> None:
        """Takes Twilio's messages until the call is over.

        Raises:
            DoorError: one is not of the protocol.
        """
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                for command in self._call.receive(_text(message)):
                    if isinstance(command, HangUp):
                        return
                    await self._follow(command)
        except WireError as error:
            raise DoorError(POLICY, str(error)) from None
        finally:
            self._tail.cancel()

    async def _follow(self, command: Command) -> None:
        if isinstance(command, Hear):
            self._ears.hear(command.pcm.astype("<i2").tobytes())
        elif isinstance(command, PressKey) and "context" in self._session.capabilities.inputs:
            pressed = f"The caller pressed the key {command.digit[:1]} of the telephone."
            await self._session.send(Context("telephone", pressed))

    async def say(self, event: Event) -> None:
        """Sends what an event of the session means."""
        if isinstance(event, AudioOut):
            if event.generation >= self._generation and (
                self._call.in_reply or is_audible(event.pcm)
            ):
                self._call.agent_audio(np.frombuffer(event.pcm, "<i2"))
                self._tail.spoke(event.samples / event.rate_hz)
        elif isinstance(event, Interruption):
            self._generation = event.generation
            self._tail.cancel()
            self._call.interrupted()
        elif isinstance(event, TurnEnd) and event.side == "agent":
            self._call.agent_done()
        await self._flush()

    async def _flush_audio(self) -> None:
        self._call.flush()
        await self._flush()

    async def _flush(self) -> None:
        for message in self._call.take():
            await self._socket.send({"type": "websocket.send", "text": json_text(message)})


def _add(app: Starlette, house: House) -> None:
    from starlette.routing import Route, WebSocketRoute

    tickets = Tickets()

    async def webhook(request: Request) -> Response:
        return await voice(request, house, tickets)

    async def stream(socket: WebSocket) -> None:
        await media(socket, house, tickets)

    app.router.routes += [
        Route(VOICE_PATH, webhook, methods=["POST"]),
        WebSocketRoute(PATH, stream),
    ]


ROW = DoorRow(NAME, PATH, f"Twilio Media Streams, for calls that {VOICE_PATH} answers", add=_add)
