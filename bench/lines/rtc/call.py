"""One call by SmallWebRTC, by aiortc: an offer is posted, the answer taken, audio goes both ways.

The user's audio is paced by the caller alone: a chunk that comes is encoded at once. The agent's is
stamped when the track gives it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from fractions import Fraction
from socket import socket
from typing import Any
from urllib.parse import urljoin

import numpy as np
import numpy.typing as npt
from aiortc import (
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame

from bench.lines.rtc.messages import RATE_HZ, CallError, Decoder, Kind, Message
from bench.lines.rtc.order import Order
from pipelines.clock import monotonic_ns

HTTP_TIMEOUT_S = 15.0
PING_S = 1.0
"""Time between two pings: after 3 s without one, Pipecat takes the caller to be gone."""
READ_BYTES = 1 << 16
CHUNK_S = 0.02
SILENCE = np.zeros(round(CHUNK_S * RATE_HZ), np.int16)


class Mic(MediaStreamTrack):  # type: ignore[misc]
    """The user's microphone: its chunks come from the caller, when they are due.

    Args:
        out: Takes the report of each chunk that has left.
    """

    kind = "audio"

    def __init__(self, out: asyncio.StreamWriter) -> None:
        super().__init__()
        self._out = out
        self._chunks: asyncio.Queue[Message] = asyncio.Queue()
        self._has_begun = asyncio.Event()
        """Set by the caller's first chunk."""
        self._silent_until_s = 0.0
        self._position = 0

    def put(self, chunk: Message) -> None:
        """Takes a chunk of the caller's."""
        self._chunks.put_nowait(chunk)
        self._has_begun.set()

    async def recv(self) -> Any:
        """The next chunk, as soon as it is there: aiortc encodes and sends it.

        Before the caller's first one there is silence, as of any microphone.
        """
        pcm = SILENCE if await self._is_early() else await self._next()
        frame = AudioFrame.from_ndarray(pcm[None, :], layout="mono")
        frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
        frame.pts = self._position
        self._position += len(pcm)
        return frame

    async def _is_early(self) -> bool:
        """Whether a chunk of silence is due before the caller's first one has come."""
        if self._has_begun.is_set():
            return False
        self._silent_until_s = max(self._silent_until_s + CHUNK_S, time.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._silent_until_s - time.monotonic()):
                await self._has_begun.wait()
        return not self._has_begun.is_set()

    async def _next(self) -> npt.NDArray[np.int16]:
        """The caller's next chunk, (n,) samples; its leaving is reported."""
        chunk = await self._chunks.get()
        self._out.write(Message(Kind.SENT, chunk.a, monotonic_ns()).encode())
        return np.frombuffer(chunk.payload, np.int16)


class Call:
    """One call.

    Args:
        order: The agent, and what it is to be told.
        out: Takes what happens.
    """

    def __init__(self, order: Order, out: asyncio.StreamWriter) -> None:
        servers = [RTCIceServer(order.stun)] if order.stun else []
        self._order = order
        self._out = out
        self._peer: Any = RTCPeerConnection(RTCConfiguration(servers))
        self._mic = Mic(out)
        # The bot takes its transceivers by their order: the microphone is the first.
        self._peer.addTrack(self._mic)
        opus = [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.name == "opus"]
        self._peer.getTransceivers()[0].setCodecPreferences(opus)
        self._channel: Any = self._peer.createDataChannel("chat")
        self._unsent: list[str] = []
        """Messages for the data channel, which is not open yet."""
        self._tasks: list[asyncio.Task[None]] = []
        self._lost = 0

    async def connect(self) -> None:
        """Posts the offer and takes the answer.

        Raises:
            CallError: the agent refuses, or its answer is none.
        """
        self._peer.on("track", self._heard)
        self._peer.on("connectionstatechange", self._changed)
        self._channel.on("open", self._opened)
        self._channel.on("message", self._said)
        await self._peer.setLocalDescription(await self._peer.createOffer())
        answer = await asyncio.to_thread(answered, self._order, self._peer.localDescription.sdp)
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(**answer))
        except (TypeError, ValueError) as error:
            raise CallError(f"{self._order.name} answers no WebRTC: {error}") from None

    def take(self, message: Message) -> None:
        """A message of the caller's."""
        if message.kind is Kind.MIC:
            self._mic.put(message)
        elif message.kind is Kind.TEXT:
            self._unsent.append(message.payload.decode())
            self._flush()

    async def close(self) -> None:
        """Hangs up."""
        for task in self._tasks:
            task.cancel()
        await self._peer.close()

    def _tell(self, kind: Kind, a: int = 0, b: int = 0, payload: bytes = b"") -> None:
        self._out.write(Message(kind, a, b, payload).encode())

    def _changed(self) -> None:
        state = self._peer.connectionState
        if state == "connected":
            self._tell(Kind.READY)
        elif state == "failed":
            name = self._order.name
            sentence = f"{name} answered, but no audio can reach it: ICE failed"
            self._tell(Kind.FAILED, payload=sentence.encode())
        elif state == "closed":
            self._tell(Kind.OVER)

    def _opened(self) -> None:
        self._flush()
        self._tasks.append(asyncio.create_task(self._ping()))

    def _flush(self) -> None:
        while self._unsent and self._channel.readyState == "open":
            self._channel.send(self._unsent.pop(0))

    def _said(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._tell(Kind.TEXT, payload=message.encode())

    async def _ping(self) -> None:
        while True:
            self._channel.send("ping")
            lost = max((_lost_of(s) for s in (await self._peer.getStats()).values()), default=0)
            if lost > self._lost:
                self._lost = lost
                self._tell(Kind.LOST, lost)
            await asyncio.sleep(PING_S)

    def _heard(self, track: Any) -> None:
        if track.kind == "audio":
            self._tasks.append(asyncio.create_task(self._listen(track)))

    async def _listen(self, track: Any) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                at_ns = monotonic_ns()
                both = frame.to_ndarray().reshape(-1, 2).astype(np.int32)
                pcm = (both.sum(axis=1) >> 1).astype(np.int16)
                position = int(frame.pts * frame.time_base * RATE_HZ)
                self._tell(Kind.SOUND, position, at_ns, pcm.tobytes())


async def make_call(connected: socket) -> None:
    """Makes the call that the caller orders on a socket, until either side ends it."""
    reader, writer = await asyncio.open_connection(sock=connected)
    decoder = Decoder()
    call: Call | None = None
    try:
        while data := await reader.read(READ_BYTES):
            for message in decoder.feed(data):
                if call is not None:
                    call.take(message)
                elif message.kind is Kind.CALL:
                    call = Call(Order.decode(message.payload), writer)
                    await call.connect()
    except CallError as error:
        writer.write(Message(Kind.FAILED, payload=str(error).encode()).encode())
    except OSError:  # the caller is gone
        pass
    finally:
        if call is not None:
            await call.close()
        with contextlib.suppress(OSError):
            writer.close()
            await writer.wait_closed()


def answered(order: Order, sdp: str) -> dict[str, str]:
    """The agent's answer to an offer: ``sdp`` and ``type``.

    Raises:
        CallError: it refuses, or answers something else.
    """
    url = order.url
    if order.session:
        body = {"transport": "webrtc", "enableDefaultIceServers": False}
        started = _post(order, urljoin(url, "/start"), {**body, "body": order.request_data})
        url = urljoin(url, f"/sessions/{started.get('sessionId', '')}/api/offer")
    offer: dict[str, Any] = {"sdp": sdp, "type": "offer"}
    if order.request_data:
        offer["request_data"] = order.request_data
    answer = _post(order, url, offer)
    if not isinstance(answer.get("sdp"), str):
        raise CallError(f"{order.name} answered the offer without an sdp")
    return {"sdp": answer["sdp"], "type": str(answer.get("type", "answer"))}


def _post(order: Order, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    sent = {"Content-Type": "application/json", **order.headers}
    request = urllib.request.Request(url, json.dumps(body).encode(), sent, method="POST")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=HTTP_TIMEOUT_S) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            hint = " (see --header-from-env)" if error.code in (401, 403) else ""
            raise CallError(
                f"{order.name} refuses the offer: HTTP {error.code} {error.reason}{hint}"
            ) from None
    except urllib.error.URLError as error:
        raise CallError(f"no agent answers at {order.name}: {error.reason}") from None
    except (OSError, ValueError) as error:
        raise CallError(f"{order.name} gave no answer to the offer: {error}") from None
    if not isinstance(answer, dict):
        raise CallError(f"{order.name} answered the offer with {type(answer).__name__}")
    return answer


def _lost_of(stats: Any) -> int:
    """The user's packets that the agent reports as lost, by one statistic of the connection."""
    return int(stats.packetsLost) if stats.type == "remote-inbound-rtp" else 0
