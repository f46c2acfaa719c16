"""The messages between a model's process and its parent: framing only, pure.

One message is ``<header length><payload length>`` (two little-endian uint32), a JSON object and a
raw payload. Both ends of a socket pair use it, so it imports nothing but the standard library.
"""

from __future__ import annotations

import json
import struct
from typing import Any

Header = dict[str, Any]

_LENGTHS = struct.Struct("<II")
MAX_HEADER_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 1 << 26


class WireError(Exception):
    """The bytes are not messages: the other end is broken, or something wrote into the socket."""


def pack(header: Header, payload: bytes = b"") -> bytes:
    """Makes the bytes of one message."""
    text = json.dumps(header, separators=(",", ":")).encode()
    if len(text) > MAX_HEADER_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError(f"a message of {len(text)} + {len(payload)} bytes is too long")
    return _LENGTHS.pack(len(text), len(payload)) + text + payload


class Decoder:
    """Turns a stream of bytes, cut anywhere, into messages."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[tuple[Header, bytes]]:
        """Takes bytes and returns the messages that are complete, in order.

        Raises:
            WireError: the bytes can't be messages.
        """
        self._held += data
        messages: list[tuple[Header, bytes]] = []
        start = 0
        while len(self._held) - start >= _LENGTHS.size:
            head_bytes, body_bytes = _LENGTHS.unpack_from(self._held, start)
            if head_bytes > MAX_HEADER_BYTES or body_bytes > MAX_PAYLOAD_BYTES:
                raise WireError(f"a message of {head_bytes} + {body_bytes} bytes was announced")
            body = start + _LENGTHS.size + head_bytes
            end = body + body_bytes
            if len(self._held) < end:
                break
            messages.append((_header(self._held[body - head_bytes : body]), self._cut(body, end)))
            start = end
        del self._held[:start]
        return messages

    def _cut(self, start: int, end: int) -> bytes:
        return bytes(memoryview(self._held)[start:end])


def _header(text: bytes | bytearray) -> Header:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise WireError(f"a header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise WireError("a header is not a JSON object")
    return header
