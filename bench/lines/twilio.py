"""The line to a server of Twilio Media Streams, called as Twilio would call it.

µ-law at 8 kHz, a message every 20 ms; marks are echoed when the audio before them was *heard* or
cleared, as Twilio does.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from bench.lines.line import (
    Chunk,
    Event,
    LineRow,
    Ready,
)
from bench.lines.options import TwilioOptions
from bench.lines.websocket_line import WebSocketLine
from pipelines.wires import g711, twilio


class Twilio(WebSocketLine):
    """One call.

    Args:
        url: ``ws://…`` of the media stream, the one that the server's TwiML would name.
        parameters: Custom parameters of the TwiML.
        headers: Headers of the HTTP request.
    """

    def __init__(
        self,
        url: str,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(url, headers)
        self._stream_sid = f"MZ{uuid4().hex}"
        self._call_sid = f"CA{uuid4().hex}"
        self._parameters = dict(parameters or {})
        self._sequence = 1
        self._marks: list[tuple[int, str]] = []
        """Marks that are not echoed yet: (samples before it, name)."""

    def encode(self, chunk: Chunk) -> bytes:
        """``media``."""
        self._sequence += 1
        codes = g711.encode(chunk.pcm)
        return self.channel.send(twilio.inbound(self._stream_sid, self._sequence, chunk.k, codes))

    def played(self, samples: int) -> bytes:
        """The echo of every mark before which all was played or cleared."""
        while self._marks and self._marks[0][0] <= samples:
            self.channel.queue(twilio.mark(self._stream_sid, self._marks.pop(0)[1]))
        return self.channel.owed()

    def bye(self) -> bytes:
        """``stop``, and a normal close."""
        self.channel.queue(twilio.stop(self._stream_sid, self._call_sid, self._sequence + 1))
        return self.channel.close()

    def opened(self) -> list[Event]:
        """``connected`` and ``start``."""
        self.channel.queue(twilio.connected())
        self.channel.queue(twilio.start(self._stream_sid, self._call_sid, self._parameters))
        return [Ready(g711.RATE_HZ)]

    def text(self, message: str) -> list[Event]:
        """``media``, ``mark`` or ``clear``."""
        said = twilio.read(message)
        if isinstance(said, twilio.Media):
            return [self.audio(g711.decode(said.codes))]
        if isinstance(said, twilio.MarkNamed):
            self._marks.append((self.received, said.name))
        return [self.clear()] if isinstance(said, twilio.ClearAll) else []


ROW = LineRow(
    "twilio",
    "Twilio Media Streams: a telephone call over a WebSocket",
    connects="caller",
    paths=("/ws", "/media-stream"),
    make=Twilio,
    options=TwilioOptions,
    in_rate_hz=lambda options: g711.RATE_HZ,
    aim_ms=(1.0, 3.0),
)
