"""Audio between a conversation's rates and those of the agent that it goes on with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipelines.audio.levels import as_floats, as_int16
from pipelines.audio.stream_resample import StreamResampler
from pipelines.clock import NS_PER_S
from pipelines.server.session.events import AudioIn, AudioOut


class Rates:
    """Both directions of one agent; nothing is changed where the rates are the same.

    Args:
        in_hz: Rate of the conversation's user.
        to_hz: Rate that the agent takes.
        out_hz: Rate of the conversation's agent.
    """

    def __init__(self, in_hz: int, to_hz: int, out_hz: int) -> None:
        self._in = StreamResampler(in_hz, to_hz) if in_hz != to_hz else None
        self._out_hz = out_hz
        self._out: StreamResampler | None = None

    def user(self, chunk: AudioIn) -> AudioIn:
        """A chunk of the user's, at the agent's rate."""
        if self._in is None:
            return chunk
        due_ns = chunk.due_ns - round(self._in.delay_s * NS_PER_S)
        return replace(chunk, due_ns=due_ns, pcm=_through(self._in, chunk.pcm))

    def agent(self, chunk: AudioOut) -> AudioOut:
        """A chunk of the agent's, at the conversation's rate."""
        if chunk.rate_hz == self._out_hz:
            return chunk
        if self._out is None or self._out.from_hz != chunk.rate_hz:
            self._out = StreamResampler(chunk.rate_hz, self._out_hz)
        return replace(chunk, rate_hz=self._out_hz, pcm=_through(self._out, chunk.pcm))


def _through(resampler: StreamResampler, pcm: bytes) -> bytes:
    out = as_int16(resampler.feed(as_floats(np.frombuffer(pcm, "<i2"))))
    return out.astype("<i2").tobytes()
