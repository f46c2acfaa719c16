"""``POST /livekit/join``: the agent joins a room of LiveKit's, and talks with who is there.

The body names the room's server and a token for it: ``{"url": "wss://…", "token": …}``, made by
whoever runs the room; ``?preset=`` names one of the server's presets. The answer comes once the
agent has joined. The first voice of the room is the user's; the call ends when it goes.

The door is open where the package livekit is installed. No room was joined by it yet: it is tested
with a double of that package.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from pipelines.errors import LabError
from pipelines.server.access.tokens import AccessError
from pipelines.server.doors.door import (
    DoorRow,
    Ears,
    House,
    admit,
    converse,
    refused,
    relay,
    token_of,
)
from pipelines.server.doors.webrtc import read_body
from pipelines.server.offer import BodyError
from pipelines.server.service.service import RefusedError
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import AudioOut, Event, Interruption
from pipelines.wires.error import WireError
from pipelines.wires.messages import json_object

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

NAME = "livekit"
PATH = "/livekit/join"
JOIN_S = 15.0
"""Longest wait for the room, s."""
USER_S = 60.0
"""Longest wait for somebody's voice in it, s."""
QUEUE_MS = 1_000
"""Audio that LiveKit may hold for the room; the agent's comes in real time."""


class RoomCall:
    """One conversation in a room.

    Args:
        session: Started.
    """

    def __init__(self, session: Session) -> None:
        from livekit import rtc

        self._rtc = rtc
        self._session = session
        self._room = rtc.Room()
        self._source = rtc.AudioSource(session.out_rate_hz, 1, queue_size_ms=QUEUE_MS)
        self._ears = Ears(session, session.in_rate_hz)
        self._hearing: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()
        self._over = asyncio.Event()
        self._room.on("track_subscribed", self._subscribed)
        self._room.on("disconnected", lambda *_: self._over.set())

    async def join(self, url: str, token: str) -> None:
        """Joins the room, with a voice.

        Raises:
            LabError: it can't be joined.
        """
        try:
            async with asyncio.timeout(JOIN_S):
                await self._room.connect(url, token)
                voice = self._rtc.LocalAudioTrack.create_audio_track("agent", self._source)
                options = self._rtc.TrackPublishOptions()
                options.source = self._rtc.TrackSource.SOURCE_MICROPHONE
                await self._room.local_participant.publish_track(voice, options)
        except TimeoutError:
            raise LabError(f"the room was not joined within {JOIN_S:.0f} s") from None
        except Exception as error:  # livekit raises its own kinds
            said = " ".join(str(error).replace(token, "…").split())[:200]
            raise LabError(f"the room can't be joined: {type(error).__name__}: {said}") from None

    async def listen(self) -> None:
        """Waits until the user has gone, or the room has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(USER_S):
                await self._heard.wait()
        if self._heard.is_set():
            await self._over.wait()

    async def say(self, event: Event) -> None:
        """Plays the agent's audio in the room."""
        if isinstance(event, AudioOut):
            frame = self._rtc.AudioFrame(
                data=event.pcm,
                sample_rate=event.rate_hz,
                num_channels=1,
                samples_per_channel=event.samples,
            )
            await self._source.capture_frame(frame)
        elif isinstance(event, Interruption):
            self._source.clear_queue()

    async def close(self) -> None:
        """Leaves the room."""
        if self._hearing is not None:
            self._hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._hearing
        await self._room.disconnect()

    def _subscribed(self, track: Any, *_: object) -> None:
        if track.kind == self._rtc.TrackKind.KIND_AUDIO and self._hearing is None:
            self._heard.set()
            self._hearing = asyncio.create_task(self._hear(track))

    async def _hear(self, track: Any) -> None:
        """The user's voice, at the session's rate, until its track ends."""
        stream = self._rtc.AudioStream(track, sample_rate=self._session.in_rate_hz, num_channels=1)
        async for event in stream:
            self._ears.hear(np.asarray(event.frame.data, "<i2").tobytes())
        self._over.set()


async def _hold(
    house: House, preset: str | None, url: str, token: str, joined: asyncio.Future[str]
) -> None:
    """Holds one conversation, from its seat to its end; ``joined`` gets its name, or the error."""
    try:
        # Nobody: who speaks in a room need not be whoever sent the agent there.
        async with house.service.conversation(preset, NAME, None) as session:
            call = RoomCall(session)
            try:
                await call.join(url, token)
                joined.set_result(session.name)
                name = session.capabilities.name
                await converse(session, call.listen(), relay(house, session, call.say, name, NAME))
            finally:
                await call.close()
    except LabError as error:
        if joined.done():
            raise
        joined.set_exception(error)


def _room_of(body: bytes) -> tuple[str, str]:
    """Address and token of the room.

    Raises:
        WireError: the body names none.
    """
    table = json_object(body)
    url, token = table.get("url"), table.get("token")
    if not isinstance(url, str) or urlsplit(url).scheme not in ("ws", "wss"):
        raise WireError("url must be the ws:// or wss:// address of a LiveKit server")
    if not isinstance(token, str) or not token:
        raise WireError("token must be the room's")
    return url, token


def _add(app: Starlette, house: House) -> None:
    from starlette.responses import JSONResponse, PlainTextResponse
    from starlette.routing import Route

    calls: set[asyncio.Task[None]] = set()

    async def join(request: Request) -> Response:
        try:
            admit(house, token_of(request.headers.get("authorization")))
            url, token = _room_of(await read_body(request))
        except AccessError as error:
            return PlainTextResponse(f"{error}\n", 401, {"WWW-Authenticate": "Bearer"})
        except (BodyError, WireError, ValueError) as error:
            return PlainTextResponse(f"{error}\n", 400)
        joined: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        preset = request.query_params.get("preset")
        task = asyncio.create_task(_hold(house, preset, url, token, joined))
        calls.add(task)
        task.add_done_callback(calls.discard)
        try:
            return JSONResponse({"conversation": await joined})
        except RefusedError as error:
            return refused(error)
        except LabError as error:
            return PlainTextResponse(f"{error}\n", 502)

    app.router.routes.append(Route(PATH, join, methods=["POST"]))


ROW = DoorRow(NAME, PATH, "a room of LiveKit's, which the agent joins", _add, ("livekit",))
