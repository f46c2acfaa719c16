"""Moshi's protocol: binary messages whose first byte is their kind.

Source: ``moshi/moshi/server.py`` of the package moshi 0.2.13, and the Rust server of the same
project, which has the kinds from 3 on.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.wires.error import WireError

HANDSHAKE, AUDIO, TEXT, CONTROL, METADATA, ERROR, PING, COLOURED_TEXT = range(8)
"""First byte of a message."""
RATE_HZ = 24_000
"""Sample rate of the model; Opus carries it."""
_OPUS_HEAD = b"OpusHead"
FRAME_SAMPLES = 1_920
"""Samples of one step of the model, 80 ms."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    kind: int
    payload: bytes


def read(data: bytes) -> Message:
    """A binary message.

    Raises:
        WireError: it is empty.
    """
    if not data:
        raise WireError("an empty message: each of Moshi's begins with its kind")
    return Message(data[0], data[1:])


def message(kind: int, payload: bytes = b"") -> bytes:
    """A binary message."""
    return bytes([kind]) + payload


def piece(payload: bytes) -> str:
    """The piece of text that a message of kind TEXT holds.

    Raises:
        WireError: it is not in UTF-8.
    """
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        raise WireError("a piece of text is not in UTF-8") from None


def pre_skip_ms(pages: bytes) -> float | None:
    """What the head of an Ogg stream of Opus says to skip at its start, ms; None: no head.

    RFC 7845, 5.1: after the magic, version and channels, a number of samples at 48 kHz.
    """
    at = pages.find(_OPUS_HEAD)
    told = pages[at + 10 : at + 12]
    return int.from_bytes(told, "little") / 48 if at >= 0 and len(told) == 2 else None
