"""Twilio Media Streams: the JSON messages of a telephone call over a WebSocket.

Source: Twilio's reference of Media Streams' WebSocket messages (read 2026-11): Twilio sends
``connected``, ``start``, ``media``, ``dtmf``, ``mark`` and ``stop``; the server sends ``media``,
``mark`` and ``clear``. Audio is µ-law at 8 kHz.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.wires.error import WireError
from pipelines.wires.messages import base64_bytes, base64_text, field, json_object

MEDIA_MS = 20
"""Length of the audio in one ``media`` message of Twilio's, ms."""


@dataclass(frozen=True, slots=True)
class Media:
    """Audio."""

    codes: bytes
    """µ-law, 8 kHz."""


@dataclass(frozen=True, slots=True)
class MarkNamed:
    """A mark: to be echoed by Twilio once all audio before it was played or cleared."""

    name: str


@dataclass(frozen=True, slots=True)
class ClearAll:
    """The server drops the audio that was not played yet."""


@dataclass(frozen=True, slots=True)
class Start:
    """The call begins."""

    stream_sid: str
    call_sid: str
    parameters: Mapping[str, str]
    """Custom parameters of the TwiML."""


@dataclass(frozen=True, slots=True)
class Digit:
    """A key was pressed."""

    digit: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The call is over."""


Message = Media | MarkNamed | ClearAll | Start | Digit | Stop


def read(text: str | bytes) -> Message | None:
    """A message of either side; None: ``connected``, or an event that this module has no use for.

    Raises:
        WireError: it is not of this protocol.
    """
    message = json_object(text)
    event = message.get("event")
    if not isinstance(event, str):
        raise WireError("a message has no event: Twilio's all name theirs")
    if event == "media":
        return Media(base64_bytes(field(message, "media.payload"), "media.payload"))
    if event == "mark":
        return MarkNamed(_text(message, "mark.name"))
    if event == "clear":
        return ClearAll()
    if event == "start":
        return _start(message)
    if event == "dtmf":
        return Digit(_text(message, "dtmf.digit"))
    return Stop() if event == "stop" else None


def connected() -> dict[str, Any]:
    """Twilio's first message."""
    return {"event": "connected", "protocol": "Call", "version": "1.0.0"}


def start(stream_sid: str, call_sid: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Twilio's second message: the stream and its format."""
    return {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": stream_sid,
        "start": {
            "accountSid": "AC" + "0" * 32,
            "streamSid": stream_sid,
            "callSid": call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(parameters),
        },
    }


def inbound(stream_sid: str, sequence: int, k: int, codes: bytes) -> dict[str, Any]:
    """Twilio's ``media`` with the caller's chunk ``k``, numbered from 0."""
    return {
        "event": "media",
        "sequenceNumber": str(sequence),
        "streamSid": stream_sid,
        "media": {
            "track": "inbound",
            "chunk": str(k + 1),
            "timestamp": str(k * MEDIA_MS),
            "payload": base64_text(codes),
        },
    }


def outbound(stream_sid: str, codes: bytes) -> dict[str, Any]:
    """The server's ``media``."""
    return {"event": "media", "streamSid": stream_sid, "media": {"payload": base64_text(codes)}}


def mark(stream_sid: str, name: str) -> dict[str, Any]:
    """A mark, or its echo."""
    return {"event": "mark", "streamSid": stream_sid, "mark": {"name": name}}


def clear(stream_sid: str) -> dict[str, Any]:
    """The server's ``clear``."""
    return {"event": "clear", "streamSid": stream_sid}


def stop(stream_sid: str, call_sid: str, sequence: int) -> dict[str, Any]:
    """Twilio's last message."""
    return {
        "event": "stop",
        "sequenceNumber": str(sequence),
        "streamSid": stream_sid,
        "stop": {"accountSid": "AC" + "0" * 32, "callSid": call_sid},
    }


def _start(message: Mapping[str, Any]) -> Start:
    parameters = field(message, "start.customParameters")
    given = parameters if isinstance(parameters, Mapping) else {}
    return Start(
        _text(message, "start.streamSid"),
        _text(message, "start.callSid"),
        {str(key): str(value) for key, value in given.items()},
    )


def _text(message: Mapping[str, Any], path: str) -> str:
    found = field(message, path)
    if not isinstance(found, str):
        raise WireError(f"{path} is missing in Twilio's message {message.get('event')!r}")
    return found
