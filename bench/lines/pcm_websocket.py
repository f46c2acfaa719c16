"""The line to a server that takes and sends raw PCM in the binary messages of a WebSocket.

Binary messages hold int16 mono, little-endian, in chunks of any length; text messages are not audio
and are skipped. The server does not report rates, so both are options. A close by the server is its
good-bye.
"""

from __future__ import annotations

import numpy as np
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidURI
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from bench.lines.line import Audio, Bye, Chunk, Event, LineError, LineRow, Ready

MAX_MESSAGE_BYTES = 1 << 20
"""Longest message that is accepted, 22 s of audio at 24 kHz."""
DATA = (Opcode.CONT, Opcode.TEXT, Opcode.BINARY)


class PcmWebSocket:
    """One conversation over a WebSocket.

    Args:
        url: ``ws://host:port/path`` of the agent.
        rate_hz: Sample rate of the agent's audio.

    Raises:
        LineError: the URL is not one of a WebSocket.
    """

    def __init__(self, url: str, rate_hz: int = 24_000) -> None:
        try:
            uri = parse_uri(url)
        except (InvalidURI, ValueError) as error:
            raise LineError(f"{url!r} is not the address of a WebSocket: {error}") from None
        self._url = url
        self._rate_hz = rate_hz
        self._protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES)
        self._parts: list[bytes] = []
        """Frames of an incomplete message."""
        self._is_binary = False
        self._chunks = 0

    def hello(self) -> bytes:
        """The HTTP request that opens the WebSocket."""
        self._protocol.send_request(self._protocol.connect())
        return self.owed()

    def feed(self, data: bytes) -> list[Event]:
        """See `bench.lines.line.Line.feed`."""
        self._protocol.receive_data(data)
        events = [self._event(event) for event in self._protocol.events_received()]
        if error := self._protocol.handshake_exc:
            raise LineError(f"{self._url} refuses the WebSocket: {_why(error)}")
        if error := self._protocol.parser_exc:
            raise LineError(f"{self._url} breaks the WebSocket protocol: {error}")
        return [event for event in events if event is not None]

    def owed(self) -> bytes:
        """Pongs, and the answer to a close."""
        return b"".join(self._protocol.data_to_send())

    def encode(self, chunk: Chunk) -> bytes:
        """A chunk as one binary message."""
        if self._protocol.state is not State.OPEN:
            return b""
        self._protocol.send_binary(chunk.pcm.astype("<i2").tobytes())
        return self.owed()

    def labels(self, turn: int, on_ns: int, off_ns: int) -> bytes:
        """Nothing: this line carries audio only."""
        return b""

    def bye(self) -> bytes:
        """A normal close."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
        return self.owed()

    def _event(self, event: object) -> Event | None:
        if isinstance(event, Response):
            return Ready(self._rate_hz) if self._protocol.handshake_exc is None else None
        if not isinstance(event, Frame):
            return None
        if event.opcode is Opcode.CLOSE:
            return Bye(Close.parse(event.data).reason)
        return self._message(event) if event.opcode in DATA else None

    def _message(self, frame: Frame) -> Event | None:
        """A whole message's audio; None: it is incomplete, or it is text."""
        if frame.opcode is not Opcode.CONT:
            self._parts, self._is_binary = [], frame.opcode is Opcode.BINARY
        self._parts.append(bytes(frame.data))
        if not frame.fin or not self._is_binary:
            return None
        payload = b"".join(self._parts)
        if len(payload) % 2:
            raise LineError(f"{self._url} sent half a sample: int16 takes two bytes each")
        chunk_id = f"g0:{self._chunks}"
        self._chunks += 1
        return Audio(chunk_id, 0, np.frombuffer(payload, "<i2").astype(np.int16))


def _why(error: Exception) -> str:
    """Why the handshake failed, in a few words."""
    return str(error) if isinstance(error, InvalidHandshake) else f"{type(error).__name__}: {error}"


ROW = LineRow(
    "pcm-websocket",
    "raw 16-bit PCM in the binary messages of a WebSocket",
    connects="caller",
    make=PcmWebSocket,
)
