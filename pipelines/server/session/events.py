"""What a conversation says (events) and what it is told (inputs): one frozen record each.

Times are of the machine's monotonic clock, ns. Audio is int16, mono, little-endian.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Side = Literal["user", "agent"]
FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Name of a function, as OpenAI and the servers of its protocol take it."""


@dataclass(frozen=True, slots=True)
class UserPartial:
    """What the agent has understood of the user's words so far."""

    t_ns: int
    text: str
    final: bool = False
    """True if the recogniser will not change it any more."""


@dataclass(frozen=True, slots=True)
class AssistantPartial:
    """A piece of what the agent says; pieces are joined as they are."""

    t_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """A turn is over: the user's as the pipeline sees it, the agent's when it has been heard."""

    t_ns: int
    side: Side


@dataclass(frozen=True, slots=True)
class AudioOut:
    """A chunk of the agent's audio."""

    t_ns: int
    """When it was written."""
    sequence: int
    """Its index in the conversation, from 0."""
    rate_hz: int
    pcm: bytes
    """(n,) int16."""
    channels: int = 1
    is_filler: bool = False
    """True if it only fills a wait ("let me check"): it is no answer."""
    generation: int = 0
    """Number of interruptions before it."""

    @property
    def samples(self) -> int:
        """Number of its samples."""
        return len(self.pcm) // 2


@dataclass(frozen=True, slots=True)
class Phones:
    """Audio that a synthesiser has made, which is still to be written: its phones, for lips."""

    t_ns: int
    phones: tuple[tuple[str, float, float], ...]
    """(phone in IPA, start, end), ms from the first sample of its request."""
    samples: int
    """Of the piece that was made."""
    offset_ms: float
    """Start of the piece in its request."""
    rate_hz: int


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The agent asks for a function."""

    t_ns: int
    call_id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    answered_here: bool = False
    """True if the server or its pipeline runs the function: no client need answer."""
    goes_on: bool = False
    """True if another call of the same answer follows."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A function's result is there."""

    t_ns: int
    call_id: str
    name: str
    result: Any = None
    is_late: bool = False
    """True if the call was answered before, by the word that its result is late."""


@dataclass(frozen=True, slots=True)
class ToolCancelled:
    """A function is no longer wanted: its speaker said "never mind"."""

    t_ns: int
    call_id: str


Step = Literal["asked", "refused", "done", "failed", "late", "came", "cancelled"]
"""Steps of a skill's call: done and failed are within its budget, came is after it."""


@dataclass(frozen=True, slots=True)
class Audit:
    """A step of a skill's call, for whoever must know later what was done and why."""

    t_ns: int
    call_id: str
    name: str
    step: Step
    ms: float = 0.0
    """Time since it was asked for."""
    note: str = ""
    """Why it was refused, or what failed; one sentence."""


@dataclass(frozen=True, slots=True)
class Control:
    """A change of the conversation's state, or of who speaks."""

    t_ns: int
    name: Literal["state", "user_speaking"]
    value: str
    """A state of `pipelines.server.session.states`; of ``user_speaking``, ``true`` or ``false``,
    with the time at which the user's speech began or ended, as the pipeline's VAD has found."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """The user took the turn: audio older than ``generation`` and not yet heard is dropped."""

    t_ns: int
    generation: int
    spoke: bool = True
    """Whether the agent was speaking; if not, an answer that had not begun was given up."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, as the language model's own engine or service counted them."""

    t_ns: int
    read: int
    """Of its prompt, which holds the conversation so far."""
    written: int


@dataclass(frozen=True, slots=True)
class LatencyMark:
    """A latency that was measured in the conversation."""

    t_ns: int
    name: str
    """``first_audio``, ``first_filler``, or Pipecat's own ``ttfb``."""
    ms: float
    subject: str = ""
    """What it is of, where there are several: a service."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Facts that were put into the agent's context."""

    t_ns: int
    injected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fallback:
    """The conversation goes on with another agent."""

    t_ns: int
    old: str
    """Name of the preset, or of the remote line, that is left."""
    new: str
    why: str
    """What happened, a word of the policy: model_died, model_late, …"""
    message: str
    """For the user, one sentence."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something failed; one sentence. The event ``error``."""

    t_ns: int
    message: str
    fatal: bool = False
    """True if the conversation ends by it."""
    what: str = ""
    """The word of the policy for it, where it is not that the agent died: context_full, …"""


@dataclass(frozen=True, slots=True)
class Closed:
    """The conversation is over; the last event."""

    t_ns: int
    reason: str = ""
    """Why, one sentence; empty: it was asked to."""


Event = (
    UserPartial
    | AssistantPartial
    | TurnEnd
    | AudioOut
    | Phones
    | ToolCall
    | ToolResult
    | ToolCancelled
    | Audit
    | Control
    | Interruption
    | LatencyMark
    | Usage
    | Memory
    | Fallback
    | Failure
    | Closed
)

NAMES: dict[type, str] = {
    UserPartial: "user_partial",
    AssistantPartial: "assistant_partial",
    TurnEnd: "turn_end",
    AudioOut: "audio",
    Phones: "phones",
    ToolCall: "tool_call",
    ToolResult: "tool_result",
    ToolCancelled: "tool_cancelled",
    Audit: "audit",
    Control: "control",
    Interruption: "interruption",
    LatencyMark: "latency_mark",
    Usage: "usage",
    Memory: "memory",
    Fallback: "fallback",
    Failure: "error",
    Closed: "closed",
}
"""Event → its name on every wire of ours."""


# Inputs


@dataclass(frozen=True, slots=True)
class AudioIn:
    """A chunk of the user's audio."""

    sequence: int
    """Its index, from 0."""
    due_ns: int
    """When its last sample was spoken; of a user elsewhere, when it arrived."""
    pcm: bytes
    """(n,) int16 at the session's input rate."""


@dataclass(frozen=True, slots=True)
class UserText:
    """The user writes instead of speaking; the agent answers."""

    text: str


@dataclass(frozen=True, slots=True)
class Say:
    """The agent is to say this, word for word."""

    text: str
    is_filler: bool = False


@dataclass(frozen=True, slots=True)
class Functions:
    """The functions that the client offers from now on, in place of those before."""

    functions: Sequence[Mapping[str, Any]]
    """Each with ``name``, ``description`` and ``parameters``, a JSON schema."""


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """A function's result, for a `ToolCall`."""

    call_id: str
    output: Any


@dataclass(frozen=True, slots=True)
class Context:
    """Facts for the agent's context; it need not answer."""

    source: str
    """Where they come from: ``memory``, ``planner``, …"""
    summary: str
    """What can be spoken of them."""
    payload: Mapping[str, Any] = field(default_factory=dict)
    """The facts themselves."""


@dataclass(frozen=True, slots=True)
class Command:
    """``interrupt``: the agent falls silent; ``respond``: it answers now."""

    name: Literal["interrupt", "respond"]


Input = UserText | Say | Functions | ToolOutput | Context | Command
