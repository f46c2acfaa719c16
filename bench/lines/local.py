"""The line to an agent that the lab starts itself: framed messages on a local socket.

A message is a fixed header and a payload; both ends use the same framing. Audio is int16 mono,
little-endian.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.lines.line import (
    Audio,
    Bye,
    Chunk,
    Clear,
    Event,
    LineError,
    LineRow,
    QuietLine,
    Ready,
    Work,
)

_HEADER = struct.Struct("<4sBHIqqI")
_MAGIC = b"dlx1"
MAX_PAYLOAD_BYTES = 1 << 20
"""Largest payload, bytes; a larger one means that the stream is out of step."""


class Kind(enum.IntEnum):
    """Kinds of messages."""

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
    """agent → caller: drop audio that is not yet heard and is older than ``generation``; ``b``:
    stamp."""
    BYE = 6
    """Either way: the trial is over."""
    WORK = 7
    """agent → caller: ``a``: number of the agent's requests that are open."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; the meaning of the fields depends on ``kind`` (see `Kind`)."""

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
            LineError: the bytes are not our messages.
        """
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            magic, kind, generation, seq, a, b, length = _HEADER.unpack_from(self._buffer)
            if magic != _MAGIC or length > MAX_PAYLOAD_BYTES:
                raise LineError("the stream is out of step: not a duplex-lab message")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            try:
                known = Kind(kind)
            except ValueError:
                raise LineError(f"message kind {kind} is unknown") from None
            payload = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            yield Message(known, generation, seq, a, b, payload)


class LocalLine(QuietLine):
    """The caller's side of the framing."""

    def __init__(self) -> None:
        self._decoder = Decoder()

    def feed(self, data: bytes) -> list[Event]:
        """See `bench.lines.line.Line.feed`."""
        events = map(_event, self._decoder.feed(data))
        return [event for event in events if event is not None]

    def encode(self, chunk: Chunk) -> bytes:
        """A chunk with its index and the time at which it was due."""
        pcm = chunk.pcm.tobytes()
        return encode(Message(Kind.AUDIO_IN, seq=chunk.k, a=chunk.due_ns, payload=pcm))

    def labels(self, turn: int, on_ns: int, off_ns: int) -> bytes:
        """A turn's labels, for a scripted agent."""
        return encode(Message(Kind.LABELS, seq=turn, a=on_ns, b=off_ns))

    def bye(self) -> bytes:
        """The caller hangs up."""
        return encode(Message(Kind.BYE))


def _event(message: Message) -> Event | None:
    """The caller's event for a message of the agent's; None: none."""
    if message.kind is Kind.READY:
        return Ready(message.a)
    if message.kind is Kind.AUDIO_OUT:
        if len(message.payload) % 2:
            raise LineError("the agent sent half a sample")
        pcm = np.frombuffer(message.payload, np.int16)
        return Audio(message.chunk_id, message.generation, pcm)
    if message.kind is Kind.CLEAR:
        return Clear(message.generation)
    if message.kind is Kind.WORK:
        return Work(message.a)
    return Bye() if message.kind is Kind.BYE else None


ROW = LineRow(
    "local",
    "an agent that the lab starts itself, on a local socket",
    connects="agent",
    carrier="packets",
    make=lambda url: LocalLine(),
)
