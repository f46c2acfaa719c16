"""The line to a server that takes and sends raw PCM over a WebSocket.

Without a protocol map, binary messages hold mono samples, little-endian, in chunks of any length,
and text messages are skipped. With one, JSON messages carry audio in base64 and what else the
server says; see `bench.lines.protocol_map`. A close by the server is its good-bye.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.lines.line import (
    Bye,
    Chunk,
    Event,
    LineRow,
    Ready,
)
from bench.lines.options import PcmOptions
from bench.lines.protocol_map import ProtocolMap, read_map
from bench.lines.websocket_line import WebSocketLine
from pipelines.wires.messages import SHOWN, SampleFormat, sample_bytes, samples


class PcmWebSocket(WebSocketLine):
    """One conversation over a WebSocket.

    Args:
        url: ``ws://host:port/path`` of the agent.
        rate_hz: Sample rate of the agent's audio.
        sample_format: Format of the samples, both ways.
        protocol_map: TOML file of a protocol map; empty: raw audio in binary messages.
        headers: Headers of the HTTP request.

    Raises:
        LineError: the URL is not one of a WebSocket, or the map is wrong.
    """

    def __init__(
        self,
        url: str,
        rate_hz: int = 24_000,
        sample_format: SampleFormat = "int16",
        protocol_map: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(url, headers)
        self._rate_hz = rate_hz
        self._format: SampleFormat = sample_format
        self._skips = 0
        """Number of text messages that were skipped."""
        self._skipped = ""
        """The beginning of the first of them."""
        self._map: ProtocolMap | None = read_map(protocol_map) if protocol_map else None

    def encode(self, chunk: Chunk) -> bytes:
        """A chunk as one message."""
        data = sample_bytes(chunk.pcm, self._format)
        return self.channel.send(self._map.audio(data) if self._map else data)

    def turn_over(self) -> bytes:
        """The map's messages for it, if any."""
        return b"".join(map(self.channel.send, self._map.turn_over)) if self._map else b""

    def opened(self) -> list[Event]:
        """The first messages of a protocol map."""
        for message in self._map.hello if self._map else ():
            self.channel.queue(message)
        return [Ready(self._rate_hz)]

    def binary(self, message: bytes) -> list[Event]:
        """Audio."""
        return [self.audio(samples(message, self._format))]

    def text(self, message: str) -> list[Event]:
        """What the protocol map says; without one, nothing."""
        heard = self._map.read(message) if self._map else None
        if heard is None:
            self._skipped = self._skipped or message[:SHOWN]
            self._skips += 1
            return []
        if heard.means == "audio":
            return [self.audio(samples(heard.data, self._format), heard.rate_hz)]
        if heard.means == "clear":
            return [self.clear()]
        return [Bye(heard.text)] if heard.means == "end" else [heard.words()]

    def remark(self) -> str:
        """Text messages that were skipped."""
        if not self._skips:
            return ""
        why = "none of the protocol map's rows fits them" if self._map else "text is skipped"
        mend = "" if self._map else "; if they carry audio, a protocol map says how (docs/lines.md)"
        return f"the agent sent {self._skips} text messages ({self._skipped!r} …), and {why}{mend}"


ROW = LineRow(
    "pcm-websocket",
    "raw PCM over a WebSocket, binary or as a protocol map says",
    connects="caller",
    make=PcmWebSocket,
    options=PcmOptions,
)
