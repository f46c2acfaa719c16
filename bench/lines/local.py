"""The messages between caller and agent: pure framing, used by both ends of a local socket.

A message is a fixed header and a payload. Audio is int16 mono, little-endian.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct("<4sBHIqqI")
_MAGIC = b"dlx1"
MAX_PAYLOAD_BYTES = 1 << 20
"""A larger payload means that the stream is out of step."""


class Kind(enum.IntEnum):
    """What a message is."""

    READY = 1
    """agent → caller: the pipeline listens; ``a``: the agent's output rate in Hz."""
    AUDIO_IN = 2
    """caller → agent: ``seq``: chunk index k; ``a``: its due time in ns; payload: samples."""
    LABELS = 3
    """caller → agent, scripted presets only: ``a``, ``b``: u_on_ns, u_off_ns of the next turn."""
    AUDIO_OUT = 4
    """agent → caller: ``generation``; ``seq``; ``a``: index of the first sample in the agent's
    stream; ``b``: stamp of the write in ns; payload: samples."""
    CLEAR = 5
    """agent → caller: drop what is not yet heard and is older than ``generation``; ``b``: stamp."""
    BYE = 6
    """Either way: the trial is over."""


class WireError(Exception):
    """The stream does not hold our messages."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; what the fields mean depends on ``kind`` (see `Kind`)."""

    kind: Kind
    generation: int = 0
    seq: int = 0
    a: int = 0
    b: int = 0
    payload: bytes = b""

    @property
    def chunk_id(self) -> str:
        """The request id of an output chunk's marks."""
        return f"g{self.generation}:{self.seq}"


def encode(message: Message) -> bytes:
    """Bytes of one message."""
    header = _HEADER.pack(
        _MAGIC,
        message.kind,
        message.generation,
        message.seq,
        message.a,
        message.b,
        len(message.payload),
    )
    return header + message.payload


class Decoder:
    """Cuts a byte stream into messages, however it was split on its way."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Takes bytes; yields every message that is now whole.

        Raises:
            WireError: the bytes are not our messages.
        """
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            magic, kind, generation, seq, a, b, length = _HEADER.unpack_from(self._buffer)
            if magic != _MAGIC or length > MAX_PAYLOAD_BYTES:
                raise WireError("the stream is out of step: not a duplex-lab message")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            try:
                known = Kind(kind)
            except ValueError:
                raise WireError(f"message kind {kind} is unknown") from None
            payload = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            yield Message(known, generation, seq, a, b, payload)
