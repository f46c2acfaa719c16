"""The agent's voice as a WebRTC track that gives Opus, and not frames to be encoded.

aiortc would encode for us: in stereo, with 6.5 ms of look-ahead, on a thread of its own, after it
has measured each frame's level sample by sample. A voice is mono, and the low-delay mode of Opus
looks 2.5 ms ahead; at this rate it sounds as well.
"""

from __future__ import annotations

import asyncio
import fractions
from typing import Any

import numpy as np

from pipelines.audio.reply_resample import ReplyResampler
from pipelines.clock import NS_PER_S, monotonic_ns
from pipelines.server.protocols.commands import Pcm

RATE_HZ = 48_000
"""Opus' own rate."""
FRAME = RATE_HZ // 50
"""Samples of one packet, 20 ms."""
BIT_RATE = 64_000
"""Bits a second: for one channel, more than aiortc's 96,000 for two."""
LOOK_AHEAD_MS = 2.5
"""Of Opus' low-delay mode."""
MOST_QUEUED_S = 10.0
"""Audio of the agent's that may wait to be played, s; it comes in real time."""
TIME_BASE = fractions.Fraction(1, RATE_HZ)


class Voice:
    """20 ms each 20 ms, silence where nothing is said.

    Args:
        rate_hz: Rate of what the agent says.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate = ReplyResampler(rate_hz, RATE_HZ)
        self._encoder = _encoder()
        self._queued = np.zeros(0, np.int16)
        self._frames = 0
        self._began_ns: int | None = None

    def speak(self, pcm: Pcm) -> None:
        """(n,) samples of the agent's."""
        out = self._rate.feed(pcm)
        self._queued = np.concatenate((self._queued, out))[-round(MOST_QUEUED_S * RATE_HZ) :]

    def flush(self) -> None:
        """The agent's audio has paused: the filter's rest is played too."""
        self._queued = np.concatenate((self._queued, self._rate.end()))

    def drop(self) -> None:
        """The agent was interrupted: what is queued is not played."""
        self._rate.drop()
        self._queued = np.zeros(0, np.int16)

    def take(self) -> Pcm:
        """(960,) samples of the next packet."""
        taken, self._queued = self._queued[:FRAME], self._queued[FRAME:]
        return np.pad(taken, (0, FRAME - len(taken)))

    async def packet(self) -> Any:
        """The next packet, when it is due."""
        now_ns = monotonic_ns()
        if self._began_ns is None:
            self._began_ns = now_ns
        due_ns = self._began_ns + self._frames * FRAME * NS_PER_S // RATE_HZ
        await asyncio.sleep(max(0, due_ns - now_ns) / NS_PER_S)
        return self._encoded(self.take())

    def _encoded(self, pcm: Pcm) -> Any:
        """0.2 ms of work: a thread's turn would take as long."""
        from av import AudioFrame

        frame = AudioFrame.from_ndarray(pcm.reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.time_base = RATE_HZ, TIME_BASE
        frame.pts = self._frames * FRAME
        (packet,) = self._encoder.encode(frame)
        packet.pts, packet.time_base = frame.pts, TIME_BASE  # its own begins before the first
        self._frames += 1
        return packet


def track(voice: Voice) -> Any:
    """A `Voice` as aiortc takes it."""
    from aiortc import MediaStreamTrack

    class Track(MediaStreamTrack):  # type: ignore[misc]
        kind = "audio"

        async def recv(self) -> Any:
            return await voice.packet()

    return Track()


def _encoder() -> Any:
    from av import CodecContext

    encoder = CodecContext.create("libopus", "w")
    encoder.format, encoder.layout, encoder.sample_rate = "s16", "mono", RATE_HZ
    encoder.bit_rate, encoder.time_base = BIT_RATE, TIME_BASE
    encoder.options = {"application": "lowdelay"}
    return encoder
