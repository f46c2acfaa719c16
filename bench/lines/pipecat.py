"""The line to a bot that runs under Pipecat's own runner, by its WebSocket.

Two dialects: protobuf (``/ws-client``), and the JSON of its evals (``/ws``). Nothing of Pipecat is
imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from bench.lines.line import (
    Chunk,
    Event,
    Fact,
    LineRow,
    Ready,
    Words,
)
from bench.lines.options import PipecatOptions
from bench.lines.rtvi import INTERRUPTED, RtviEvents
from bench.lines.websocket_line import WebSocketLine
from pipelines.wires import pipecat_frames, rtvi
from pipelines.wires.messages import json_text

RATE_HZ = 24_000
"""Rate of a bot's audio by Pipecat's default; every message states its own."""
IN_RATE_HZ = 16_000
"""Rate of the user's audio: the one that a pipeline works at by Pipecat's default."""


class Pipecat(WebSocketLine):
    """One conversation.

    Args:
        url: ``ws://host:7860/ws-client``, or ``/ws`` for the dialect of evals.
        dialect: See `bench.lines.options.PipecatOptions`.
        rtvi: Whether the caller greets by ``client-ready``.
        headers: Headers of the HTTP request.
        in_rate_hz: Rate of the user's audio.
    """

    def __init__(
        self,
        url: str,
        dialect: Literal["protobuf", "eval"] = "protobuf",
        rtvi: bool = True,
        headers: Mapping[str, str] | None = None,
        in_rate_hz: int = IN_RATE_HZ,
    ) -> None:
        super().__init__(url, headers)
        self._is_eval = dialect == "eval"
        self._greets = rtvi or self._is_eval
        self._in_rate_hz = in_rate_hz
        self._events = RtviEvents()
        self._is_wide = False
        """Whether a frame of more than one channel has come."""

    def encode(self, chunk: Chunk) -> bytes:
        """A chunk as one message."""
        if self._is_eval:
            return self.channel.send(rtvi.raw_audio(chunk.pcm, self._in_rate_hz, chunk.k))
        return self.channel.send(pipecat_frames.audio(chunk.pcm, self._in_rate_hz))

    def opened(self) -> list[Event]:
        """Greets; a bot of the eval dialect is ready once it has answered."""
        if self._is_eval:
            self.channel.queue(rtvi.eval_connect())
            self.channel.queue(rtvi.client_ready())
            return []
        if self._greets:
            self.channel.queue(pipecat_frames.message(json_text(rtvi.client_ready())))
        return [Ready(RATE_HZ)]

    def text(self, message: str) -> list[Event]:
        """A message of the dialect of evals."""
        return self._rtvi(rtvi.read(message))

    def binary(self, message: bytes) -> list[Event]:
        """A frame in protobuf."""
        frame = pipecat_frames.read(message)
        if isinstance(frame, pipecat_frames.AudioFrame):
            return [*self._more_channels(frame), self.audio(frame.pcm, frame.rate_hz)]
        if isinstance(frame, pipecat_frames.InterruptionFrame):
            return [self.clear()]
        if isinstance(frame, pipecat_frames.TranscriptionFrame):
            return [Words("user", frame.text)]
        if isinstance(frame, pipecat_frames.MessageFrame):
            return self._rtvi(rtvi.read(frame.data))
        return []

    def _more_channels(self, frame: pipecat_frames.AudioFrame) -> list[Event]:
        """A fact about the first frame of more than one channel."""
        if frame.channels < 2 or self._is_wide:
            return []
        self._is_wide = True
        return [Fact("channels", frame.channels)]

    def _rtvi(self, message: rtvi.Rtvi | None) -> list[Event]:
        if message is None:
            return []
        if message.type == "bot-ready" and self._is_eval:
            return [Ready(RATE_HZ)]
        if message.type == "eval-bot-audio":
            return [self.audio(*rtvi.bot_audio(message))]
        if message.type == INTERRUPTED:
            return [self.clear()]
        return self._events.of(message)


ROW = LineRow(
    "pipecat",
    "a bot under Pipecat's own runner, by its WebSocket",
    connects="caller",
    paths=("/ws-client", "/ws"),
    make=Pipecat,
    options=PipecatOptions,
    in_rate_hz=lambda options: IN_RATE_HZ,
)
