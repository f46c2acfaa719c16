"""Messages between the caller and the process that speaks WebRTC for it, on a local socket.

A message is a header of two numbers and a payload; audio is int16 mono at `RATE_HZ`.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass

RATE_HZ = 48_000
"""Rate of both directions: Opus in WebRTC has no other."""


class CallError(Exception):
    """There is no call, or no more; one sentence that says why."""


_HEADER = struct.Struct("<BqqI")


class Kind(enum.IntEnum):
    """Kinds of messages; ``a`` and ``b`` are the numbers of the header."""

    CALL = 1
    """caller →: payload: a `bench.lines.rtc.order.Order` as JSON."""
    MIC = 2
    """caller →: ``a``: chunk index k; payload: samples, whose last one was just spoken."""
    TEXT = 3
    """Either way: payload: a message of the data channel."""
    READY = 4
    """→ caller: the connection is up."""
    SENT = 5
    """→ caller: ``a``: chunk index k; ``b``: time at which the encoder took it, ns."""
    SOUND = 6
    """→ caller: ``a``: sample index of its first sample by the RTP timestamp; ``b``: time at which
    the track gave it, ns; payload: samples."""
    LOST = 7
    """→ caller: ``a``: number of the user's packets that the agent reports as lost so far."""
    FAILED = 8
    """→ caller: payload: why there is no connection, one sentence."""
    OVER = 9
    """→ caller: the agent has closed the connection."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    kind: Kind
    a: int = 0
    b: int = 0
    payload: bytes = b""

    def encode(self) -> bytes:
        """Its bytes."""
        return _HEADER.pack(self.kind, self.a, self.b, len(self.payload)) + self.payload


class Decoder:
    """Cuts a byte stream into messages, however it was split on its way."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Takes bytes; yields every message that is now whole."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            kind, a, b, length = _HEADER.unpack_from(self._buffer)
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            yield Message(Kind(kind), a, b, payload)
