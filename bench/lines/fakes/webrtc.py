"""A bot that is called by WebRTC, by aiortc: the answer, a track that goes on for ever, RTVI.

It runs on an event loop of its own thread; the thread that plays its part waits for that.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from bench.lines.fakes.peer import Play
from bench.lines.fakes.websocket import CHUNK_MS, HOST
from pipelines.clock import NS_PER_S, monotonic_ns

RATE_HZ = 48_000
"""Rate of the audio that it sends."""
FRAME = RATE_HZ * CHUNK_MS // 1000
"""Samples of one of its frames."""
READY_S = 5.0
T = TypeVar("T")


class WebRtcPeer:
    """One call that the bot has taken.

    Args:
        loop: The loop on which aiortc runs, in another thread.
    """

    IN_RATE_HZ = RATE_HZ

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived: queue.Queue[npt.NDArray[np.int16] | None] = queue.Queue()
        self._samples = 0
        self._spoken: deque[bytes] = deque()
        """Frames that are not handed out yet."""
        self._handed: queue.Queue[int] = queue.Queue()
        """Time of each that was, ns."""
        self._drop = 0
        self.messages: list[str] = []
        """Messages of the caller's on the data channel, but for its pings."""
        self.pings = 0
        """Number of its pings."""
        self._channel: Any = None
        self._has_channel = asyncio.Event()
        self.peer: Any = None
        """The RTCPeerConnection."""

    async def answer(self, offer: dict[str, str]) -> dict[str, str]:
        """Takes an offer: the answer."""
        from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

        self.peer = RTCPeerConnection(RTCConfiguration([]))
        self.peer.on("track", lambda track: asyncio.ensure_future(self._listen(track)))
        self.peer.on("datachannel", self._take_channel)
        await self.peer.setRemoteDescription(RTCSessionDescription(offer["sdp"], offer["type"]))
        transport = self.peer.addTrack(_track(self)).transport
        transport._send_rtp = self._losing(transport._send_rtp)
        await self.peer.setLocalDescription(await self.peer.createAnswer())
        local = self.peer.localDescription
        return {"sdp": local.sdp, "type": local.type, "pc_id": "1"}

    def speak(self, pcm: bytes) -> int:
        """See `Peer.speak`; waits until the last frame of it was handed out.

        Returns:
            Time at which the frame with its first sample was handed out, ns.
        """
        frames = [pcm[at : at + 2 * FRAME] for at in range(0, len(pcm), 2 * FRAME)]
        self._spoken.extend(frames)
        handed = [self._handed.get(timeout=READY_S) for _ in frames]
        return handed[0]

    def say(self, message: dict[str, Any]) -> None:
        """Sends a message on the data channel."""
        self._on_loop(self._send(json.dumps(message)))

    def lose_packet(self) -> None:
        """The next packet of its audio is lost on its way."""
        self._drop += 1

    def hear(self) -> npt.NDArray[np.int16] | None:
        """The next audio of the caller's, (n,) samples; None: it has hung up."""
        pcm = self._arrived.get()
        if pcm is not None:
            self._samples += len(pcm)
        return pcm

    def wait_for_chunk(self, k: int) -> None:
        """See `Peer.wait_for_chunk`."""
        while self._samples <= k * FRAME:
            if self.hear() is None:
                return

    def close(self) -> None:
        """Hangs up."""
        self._on_loop(self.peer.close())

    def next_frame(self, at_ns: int) -> bytes:
        """The audio that the track hands out now: silence, where nothing is said."""
        if not self._spoken:
            return bytes(2 * FRAME)
        self._handed.put(at_ns)
        return self._spoken.popleft().ljust(2 * FRAME, b"\0")

    async def _send(self, text: str) -> None:
        await self._has_channel.wait()
        self._channel.send(text)

    def _take_channel(self, channel: Any) -> None:
        self._channel = channel
        channel.on("message", self._take_message)
        self._has_channel.set()

    def _take_message(self, message: str) -> None:
        if message == "ping":
            self.pings += 1
        else:
            self.messages.append(message)

    async def _listen(self, track: Any) -> None:
        from aiortc.mediastreams import MediaStreamError

        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                self._arrived.put(frame.to_ndarray().reshape(-1, 2)[:, 0].copy())
        self._arrived.put(None)

    def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(READY_S)

    def _losing(self, send: Callable[[bytes], Coroutine[Any, Any, None]]) -> Any:
        """A transport's ``_send_rtp`` that loses the packets of `lose_packet`."""

        async def send_rtp(data: bytes) -> None:
            is_report = 192 <= data[1] <= 223  # RTCP, by RFC 5761
            if self._drop and not is_report:
                self._drop -= 1
                return
            await send(data)

        return send_rtp


def _track(peer: WebRtcPeer) -> Any:
    """The bot's audio: frames of 20 ms for ever, paced on absolute deadlines."""
    from aiortc.mediastreams import MediaStreamTrack
    from av import AudioFrame

    class Voice(MediaStreamTrack):  # type: ignore[misc]
        kind = "audio"
        position = 0
        start_ns = 0

        async def recv(self) -> Any:
            if not self.start_ns:
                self.start_ns = monotonic_ns()
            due_ns = self.start_ns + self.position * NS_PER_S // RATE_HZ
            await asyncio.sleep(max(0, due_ns - monotonic_ns()) / NS_PER_S)
            pcm = np.frombuffer(peer.next_frame(monotonic_ns()), np.int16)
            frame = AudioFrame.from_ndarray(pcm[None, :], layout="mono")
            frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
            frame.pts = self.position
            self.position += FRAME
            return frame

    return Voice()


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a server on this machine plays ``play`` with whoever calls; yields its address."""
    loop = asyncio.new_event_loop()
    looping = threading.Thread(target=loop.run_forever)
    playing: list[threading.Thread] = []
    peers: list[WebRtcPeer] = []

    def converse(peer: WebRtcPeer) -> None:
        play(peer)

    class Offer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            offer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            peer = WebRtcPeer(loop)
            work = asyncio.run_coroutine_threadsafe(peer.answer(offer), loop)
            body = json.dumps(work.result(READY_S)).encode()
            peers.append(peer)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            playing.append(threading.Thread(target=converse, args=(peer,)))
            playing[-1].start()

        def log_message(self, *_: object) -> None:
            """Keeps quiet."""

    server = ThreadingHTTPServer((HOST, 0), Offer)
    accepting = threading.Thread(target=server.serve_forever)
    looping.start()
    accepting.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/api/offer"
    finally:
        server.shutdown()
        server.server_close()
        accepting.join()
        for peer in peers:
            peer.close()
        for thread in playing:
            thread.join()
        loop.call_soon_threadsafe(loop.stop)
        looping.join()
        loop.close()
