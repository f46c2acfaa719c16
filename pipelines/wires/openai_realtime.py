"""OpenAI's Realtime protocol: the events of both sides, by their names of today and of the beta.

Sources: OpenAI's reference of the Realtime API (GA; read 2026-11); vLLM-Omni's
``docs/serving/full_duplex_api.md`` (0488663b) and ``realtime_connection.py`` (04254201), whose
older form puts audio under ``audio`` with its rate beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipelines.wires import g711
from pipelines.wires.error import WireError
from pipelines.wires.messages import (
    base64_bytes,
    base64_text,
    field,
    json_object,
    sample_bytes,
    samples,
)

RATE_HZ = 24_000
"""Sample rate of ``audio/pcm``, the only one that the protocol has."""
AudioType = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
"""Formats of audio: int16 at 24 kHz, µ-law or A-law at 8 kHz."""
RATES_HZ: Mapping[AudioType, int] = {
    "audio/pcm": RATE_HZ,
    "audio/pcmu": g711.RATE_HZ,
    "audio/pcma": g711.RATE_HZ,
}
"""Format → its sample rate, Hz."""

BETA_NAMES = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "conversation.item.created": "conversation.item.added",
    "transcription.done": "conversation.item.input_audio_transcription.completed",
}
"""Names of the beta, and of servers that still use them → the names of today."""


@dataclass(frozen=True, slots=True)
class SessionIs:
    """``session.created`` and ``session.updated``."""

    updated: bool
    session: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The server's VAD heard the user begin."""

    item_id: str


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The server's VAD heard the user stop."""

    item_id: str


@dataclass(frozen=True, slots=True)
class AudioDelta:
    """A piece of the agent's speech."""

    response_id: str
    item_id: str
    content_index: int
    data: bytes
    """Samples in the session's output format."""
    rate_hz: int | None
    """Rate, where the server states one beside the audio."""


@dataclass(frozen=True, slots=True)
class AgentWords:
    """A piece of the transcript of the agent's speech, or of its text."""

    response_id: str
    text: str


@dataclass(frozen=True, slots=True)
class UserWords:
    """The final transcript of the user's speech."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ResponseBegun:
    """The model works on an answer."""

    response_id: str


@dataclass(frozen=True, slots=True)
class ResponseOver:
    """The answer is complete, cancelled or failed."""

    response_id: str
    status: str
    reason: str
    """Sentence of a failure; empty: none."""
    calls: tuple[tuple[str, str, str], ...] = ()
    """Functions that the model called: (call id, name, arguments as JSON)."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """``error``."""

    code: str
    message: str


Event = (
    SessionIs
    | SpeechStarted
    | SpeechStopped
    | AudioDelta
    | AgentWords
    | UserWords
    | ResponseBegun
    | ResponseOver
    | ServerError
)


def read(text: str | bytes) -> Event | None:
    """A server's event; None: one that this module has no use for.

    Raises:
        WireError: it is not of this protocol.
    """
    message = json_object(text)
    name = message.get("type")
    if not isinstance(name, str):
        raise WireError("an event has no type: all of OpenAI's Realtime protocol have one")
    make = _READERS.get(BETA_NAMES.get(name, name))
    return make(message) if make else None


def _session(message: Mapping[str, Any]) -> SessionIs:
    session = message.get("session")
    is_update = message["type"] == "session.updated"
    return SessionIs(is_update, session if isinstance(session, Mapping) else {})


def _audio(message: Mapping[str, Any]) -> AudioDelta:
    key = "delta" if "delta" in message else "audio"
    rate_hz = message.get("sample_rate_hz")
    return AudioDelta(
        _text(message, "response_id"),
        _text(message, "item_id"),
        int(message.get("content_index") or 0),
        base64_bytes(message.get(key), key),
        rate_hz if isinstance(rate_hz, int) and rate_hz > 0 else None,
    )


def _user_words(message: Mapping[str, Any]) -> UserWords:
    said = message.get("transcript", message.get("text"))
    return UserWords(_text(message, "item_id"), said if isinstance(said, str) else "")


def _over(message: Mapping[str, Any]) -> ResponseOver:
    response = message.get("response")
    found: Mapping[str, Any] = response if isinstance(response, Mapping) else {}
    outputs = found.get("output")
    calls = tuple(
        (_text(item, "call_id"), _text(item, "name"), _text(item, "arguments"))
        for item in (outputs if isinstance(outputs, list) else [])
        if isinstance(item, Mapping) and item.get("type") == "function_call"
    )
    reason = field(found, "status_details.error.message")
    return ResponseOver(
        _text(found, "id"),
        _text(found, "status"),
        reason if isinstance(reason, str) else "",
        calls,
    )


def _text(message: Mapping[str, Any], key: str) -> str:
    found = message.get(key)
    return found if isinstance(found, str) else ""


_READERS: dict[str, Callable[[Mapping[str, Any]], Event]] = {
    "session.created": _session,
    "session.updated": _session,
    "input_audio_buffer.speech_started": lambda m: SpeechStarted(_text(m, "item_id")),
    "input_audio_buffer.speech_stopped": lambda m: SpeechStopped(_text(m, "item_id")),
    "response.output_audio.delta": _audio,
    "response.output_audio_transcript.delta": lambda m: AgentWords(
        _text(m, "response_id"), _text(m, "delta")
    ),
    "response.output_text.delta": lambda m: AgentWords(_text(m, "response_id"), _text(m, "delta")),
    "conversation.item.input_audio_transcription.completed": _user_words,
    "response.created": lambda m: ResponseBegun(str(field(m, "response.id") or "")),
    "response.done": _over,
    "error": lambda m: ServerError(
        str(field(m, "error.code") or field(m, "error.type") or ""),
        str(field(m, "error.message") or m.get("message") or "no message"),
    ),
}
"""Name of a server's event → its reader."""


def session_update(
    *,
    audio: AudioType,
    turn_detection: Mapping[str, Any] | None,
    instructions: str = "",
    voice: str = "",
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The client's ``session.update``.

    Args:
        audio: Format of both directions.
        turn_detection: The server's VAD with its options; None: the client commits.
        instructions: Prompt; empty: the server's own.
        voice: Name of a voice; empty: the server's own.
        extra: More fields of the session.
    """
    form: dict[str, Any] = {"type": audio}
    if audio == "audio/pcm":
        form["rate"] = RATE_HZ
    output: dict[str, Any] = {"format": form, **({"voice": voice} if voice else {})}
    session: dict[str, Any] = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {"format": form, "turn_detection": turn_detection},
            "output": output,
        },
        **({"instructions": instructions} if instructions else {}),
        **(extra or {}),
    }
    return {"type": "session.update", "session": session}


def append(data: bytes) -> dict[str, Any]:
    """The client's audio, in the session's input format."""
    return {"type": "input_audio_buffer.append", "audio": base64_text(data)}


def commit() -> dict[str, Any]:
    """The client ends the user's turn."""
    return {"type": "input_audio_buffer.commit"}


def create_response() -> dict[str, Any]:
    """The client asks for an answer."""
    return {"type": "response.create"}


def cancel(response_id: str) -> dict[str, Any]:
    """The client interrupts an answer."""
    return {"type": "response.cancel", **({"response_id": response_id} if response_id else {})}


def truncate(item_id: str, content_index: int, heard_ms: int) -> dict[str, Any]:
    """The client says how much of an item was heard before it was interrupted."""
    return {
        "type": "conversation.item.truncate",
        "item_id": item_id,
        "content_index": content_index,
        "audio_end_ms": heard_ms,
    }


def coded(pcm: npt.NDArray[np.int16], audio: AudioType) -> bytes:
    """(n,) samples at the format's rate, as bytes of it."""
    return _CODERS[audio](pcm)


def decoded(data: bytes, audio: AudioType) -> npt.NDArray[np.int16]:
    """(n,) samples of bytes of the format.

    Raises:
        WireError: they end within a sample.
    """
    return _DECODERS[audio](data)


_CODERS: dict[AudioType, Callable[[npt.NDArray[np.int16]], bytes]] = {
    "audio/pcm": sample_bytes,
    "audio/pcmu": g711.encode,
    "audio/pcma": g711.encode_a,
}
_DECODERS: dict[AudioType, Callable[[bytes], npt.NDArray[np.int16]]] = {
    "audio/pcm": samples,
    "audio/pcmu": g711.decode,
    "audio/pcma": g711.decode_a,
}
