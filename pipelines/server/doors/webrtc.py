"""``POST /api/offer``: a call by WebRTC; the microphone comes in and the agent's voice goes out.

The offer is JSON as browsers make it and Pipecat's SmallWebRTC takes it (type, sdp), all candidates
in it; the answer is one too, with ``pc_id``. A data channel that the client opens gets the JSON
messages of ``/v1/stream``. ``?preset=`` names one of the server's presets.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.audio.levels import as_floats, as_int16
from pipelines.audio.stream_resample import StreamResampler
from pipelines.errors import LabError
from pipelines.guards.texts import whole
from pipelines.server.access.tokens import AccessError
from pipelines.server.doors.door import (
    DoorRow,
    Ears,
    House,
    admit,
    converse,
    refused,
    relay,
    subject,
    token_of,
)
from pipelines.server.doors.holding import Tail
from pipelines.server.doors.stream import Kinds, message_of
from pipelines.server.doors.voice import Voice, track
from pipelines.server.offer import LARGEST_OFFER, BodyError, read_offer
from pipelines.server.service.service import RefusedError
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import AudioOut, Event, Interruption, TurnEnd
from pipelines.wires.messages import json_text

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

NAME = "webrtc"
PATH = "/api/offer"
CONNECT_S = 15.0
"""Longest wait for the client to connect after its answer, s."""
Watcher = Callable[[Event], None]
"""Takes every event of a call's session: the face's, for one."""


class RtcCall:
    """One call.

    Args:
        session: Started.
        watch: Takes the session's events.
    """

    def __init__(self, session: Session, watch: Watcher | None = None) -> None:
        from aiortc import RTCConfiguration, RTCPeerConnection

        self._session = session
        self._watch = watch
        self._voice = Voice(session.out_rate_hz)
        self._kinds = Kinds()
        self._tail = Tail(self._flush_audio)
        self._ears = Ears(session, session.in_rate_hz)
        self._rate_in: StreamResampler | None = None
        self._channel: Any = None
        self._connected = asyncio.Event()
        self._over = asyncio.Event()
        self._hearing: asyncio.Task[None] | None = None
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peer.on("connectionstatechange", self._changed)
        self._peer.on("track", self._track)
        self._peer.on("datachannel", self._channel_opened)

    async def answer(self, offer: Mapping[str, Any]) -> dict[str, str]:
        """The answer to an offer."""
        from aiortc import RTCRtpSender, RTCSessionDescription

        self._peer.addTrack(track(self._voice))
        opus = [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.name == "opus"]
        self._peer.getTransceivers()[0].setCodecPreferences(opus)
        description = RTCSessionDescription(offer["sdp"], offer["type"])
        await self._peer.setRemoteDescription(description)
        await self._peer.setLocalDescription(await self._peer.createAnswer())
        local = self._peer.localDescription
        return {"sdp": local.sdp, "type": local.type, "pc_id": self._session.name}

    async def listen(self) -> None:
        """Waits until the call is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_S):
                await self._connected.wait()
        if self._connected.is_set():
            await self._over.wait()

    async def say(self, event: Event) -> None:
        """Plays or sends what an event of the session means."""
        if self._watch is not None:
            self._watch(event)
        if isinstance(event, AudioOut):
            if self._channel_is_open and (kind := self._kinds.change(event)) is not None:
                self._channel.send(json_text(kind))
            self._voice.speak(np.frombuffer(event.pcm, "<i2"))
            self._tail.spoke(event.samples / event.rate_hz)
            return
        if isinstance(event, Interruption):
            self._tail.cancel()
            self._voice.drop()
        elif isinstance(event, TurnEnd) and event.side == "agent":
            self._voice.flush()
        message = message_of(event)
        if message is not None and self._channel_is_open:
            self._channel.send(json_text(message))

    async def close(self) -> None:
        """Hangs up."""
        self._tail.cancel()
        if self._hearing is not None:
            self._hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._hearing
        await self._peer.close()

    @property
    def _channel_is_open(self) -> bool:
        """Whether a message would arrive: a channel stays open for a while after its client."""
        here = self._peer.connectionState == "connected" and not self._over.is_set()
        return here and self._channel is not None and self._channel.readyState == "open"

    async def _flush_audio(self) -> None:
        self._voice.flush()

    def _changed(self) -> None:
        state = self._peer.connectionState
        if state == "connected":
            self._connected.set()
        elif state in ("failed", "closed", "disconnected"):
            self._connected.set()
            self._over.set()

    def _channel_opened(self, channel: Any) -> None:
        self._channel = channel

    def _track(self, track: Any) -> None:
        if track.kind == "audio" and self._hearing is None:
            self._hearing = asyncio.create_task(self._hear(track))

    async def _hear(self, track: Any) -> None:
        """The client's voice, until its track ends."""
        from aiortc.mediastreams import MediaStreamError

        try:
            while True:
                frame = await track.recv()
                channels = len(frame.layout.channels)
                pcm = frame.to_ndarray().reshape(-1)[::channels]  # s16, interleaved
                if self._rate_in is None or self._rate_in.from_hz != frame.sample_rate:
                    self._rate_in = StreamResampler(frame.sample_rate, self._session.in_rate_hz)
                heard = as_int16(self._rate_in.feed(as_floats(pcm.astype(np.int16))))
                self._ears.hear(heard.astype("<i2").tobytes())
        except MediaStreamError:
            self._over.set()


async def hold_call(
    house: House,
    preset: str | None,
    offer: Mapping[str, Any],
    answered: asyncio.Future[dict[str, str]],
    watch: Watcher | None = None,
    user: str = "",
) -> None:
    """Holds one call, from its seat to its end.

    Args:
        house: The service's.
        preset: What the client asks for.
        offer: Its offer.
        answered: Gets the answer, or why there is none.
        watch: Takes the session's events.
        user: Subject of the client's token; empty: it has none.
    """
    try:
        async with house.service.conversation(preset, NAME, user) as session:
            call = RtcCall(session, watch)
            try:
                answered.set_result(await call.answer(offer))
                name = session.capabilities.name
                await converse(session, call.listen(), relay(house, session, call.say, name, NAME))
            finally:
                await call.close()
    except Exception as error:  # whatever WebRTC raises of an offer that it can't use
        if answered.done():
            raise
        answered.set_exception(error)


async def take_offer(
    request: Request,
    body: bytes,
    house: House,
    calls: set[asyncio.Task[None]],
    watch: Watcher | None = None,
) -> Response:
    """Answers a client's offer, and begins its call.

    Args:
        request: Of HTTP.
        body: The offer.
        house: The service's.
        calls: Keeps the call's task.
        watch: Takes the session's events.
    """
    from starlette.responses import JSONResponse, PlainTextResponse

    try:
        user = subject(admit(house, token_of(request.headers.get("authorization"))))
        offer = read_offer(body)
    except AccessError as error:
        return PlainTextResponse(f"{error}\n", 401, {"WWW-Authenticate": "Bearer"})
    except BodyError as error:
        return PlainTextResponse(f"this is no offer of a call: {error}\n", 400)
    answered: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
    preset = request.query_params.get("preset")
    task = asyncio.create_task(hold_call(house, preset, offer, answered, watch, user))
    calls.add(task)
    task.add_done_callback(calls.discard)
    try:
        return JSONResponse(await answered)
    except RefusedError as error:
        return refused(error)
    except LabError as error:
        return PlainTextResponse(f"the call failed: {error}\n", 500)
    except Exception as error:  # see `hold_call`
        said = " ".join(str(error).split())[:200]
        why = whole(f"{type(error).__name__}{said and f': {said}'}")
        return PlainTextResponse(f"this is no offer of a call: {why}\n", 400)


async def read_body(request: Request) -> bytes:
    """The body of an offer.

    Raises:
        BodyError: it is too long.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_OFFER:
            raise BodyError(f"it has more than {LARGEST_OFFER} bytes")
    return body


def _add(app: Starlette, house: House) -> None:
    from starlette.routing import Route

    calls: set[asyncio.Task[None]] = set()

    async def door(request: Request) -> Response:
        from starlette.responses import PlainTextResponse

        try:
            body = await read_body(request)
        except BodyError as error:
            return PlainTextResponse(f"this is no offer of a call: {error}\n", 400)
        return await take_offer(request, body, house, calls)

    app.router.routes.append(Route(PATH, door, methods=["POST"]))


ROW = DoorRow(NAME, PATH, "WebRTC: an offer for an answer", add=_add, needs=("aiortc", "av"))
