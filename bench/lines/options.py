"""The options of every line, as tables of a preset; each is a frozen dataclass that is checked.

Kept apart from the codecs, so that a preset is read without loading one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pipelines.guards.ranges import Range, RateHz
from pipelines.wires.messages import SampleFormat
from pipelines.wires.openai_realtime import AudioType


@dataclass(frozen=True, slots=True)
class NoOptions:
    """A line that has none."""


@dataclass(frozen=True, slots=True)
class PcmOptions:
    """`bench.lines.pcm_websocket`."""

    rate_hz: RateHz = 24_000
    """Rate of the agent's audio, where its messages don't state it."""
    sample_format: SampleFormat = "int16"
    """Format of the samples, both ways."""
    protocol_map: str = ""
    """TOML file that says which JSON message carries what; empty: raw audio in binary messages."""


@dataclass(frozen=True, slots=True)
class OpenAIOptions:
    """`bench.lines.openai_realtime`."""

    turns: Literal["server_vad", "semantic_vad", "commit"] = "server_vad"
    """Who ends the user's turn: the server's detector, or the caller by ``commit``."""
    vad: Mapping[str, Any] = field(default_factory=dict)
    """Options of the server's detector (threshold, silence_duration_ms …), as they are."""
    audio: AudioType = "audio/pcm"
    """Format of both directions: int16 at 24 kHz, µ-law or A-law at 8 kHz."""
    instructions: str = ""
    """Prompt; empty: the server's own."""
    voice: str = ""
    """Voice; empty: the server's own."""
    session: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the session, as they are."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """`bench.lines.stream`."""

    preset: str = ""
    """One of the server's presets; empty: its default."""


@dataclass(frozen=True, slots=True)
class TwilioOptions:
    """`bench.lines.twilio`."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    """Custom parameters that the server's TwiML would have set."""


@dataclass(frozen=True, slots=True)
class PipecatOptions:
    """`bench.lines.pipecat`."""

    dialect: Literal["protobuf", "eval"] = "protobuf"
    """``protobuf``: the runner's ``/ws-client``; ``eval``: RTVI in JSON, the runner's ``/ws``."""
    rtvi: bool = True
    """Whether the caller greets by ``client-ready``; the answer of the bot is not waited for in
    ``protobuf``, as a bot without RTVI gives none."""


@dataclass(frozen=True, slots=True)
class MoshiOptions:
    """`bench.lines.moshi`."""

    voice_prompt: str = ""
    """PersonaPlex: name of a file in the server's folder of voices, such as NATF2.pt."""
    text_prompt: str = ""
    """PersonaPlex: the persona."""
    seed: Annotated[int, Range(-1, 2**31 - 1, "a whole number")] = -1
    """PersonaPlex: seed of sampling; −1: none."""


@dataclass(frozen=True, slots=True)
class WebRtcOptions:
    """`bench.lines.webrtc`."""

    rtvi: bool = True
    """Whether the caller greets by ``client-ready`` on the data channel; the answer is not waited
    for, as a bot without RTVI gives none."""
    session: bool = False
    """Whether the server's ``/start`` is asked for a session first, as Pipecat Cloud needs it."""
    stun: str = ""
    """STUN server, ``stun:host:port``; empty: none is asked, which is right on this machine and in
    its own network."""
    request_data: Mapping[str, Any] = field(default_factory=dict)
    """What the bot gets as the body of its runner's arguments."""
