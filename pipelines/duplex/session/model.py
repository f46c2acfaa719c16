"""The protocol of a duplex model: it listens and speaks at once, one 80 ms frame after the other.

An adapter wraps one implementation (moshi_mlx, moshi, a server, a script) and is thin. The local
ones run in a child process, by the interpreter of an engine environment, so this module needs only
numpy and the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 24_000
"""Rate of a duplex model's audio, both ways."""
FRAME_SAMPLES = 1920
"""Samples of a frame: 24 kHz / 12.5 Hz."""
FRAME_MS = 80.0
"""The budget: 1 / 12.5 Hz."""

Pcm = npt.NDArray[np.float32]
"""(1920,) float32 in ±1, 24 kHz mono."""
Codes = Any
"""One frame's codec tokens, in the engine's own array type; only its own session looks inside."""
Span = tuple[int, int]
"""(start, end) of a piece of work, ns on the machine's monotonic clock."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Abilities of an implementation beyond listening and speaking."""

    text_stream: bool = False
    """True if it reports the text of its speech (its inner monologue)."""
    forced_text: bool = False
    """True if `DuplexSession.say` works: its text stream can be forced, token by token."""
    sum_condition: bool = False
    """True if a vector can be added to the summed embedding at every step."""
    voice_prompt: bool = False
    """True if it takes a sample of the voice to speak with."""
    text_prompt: bool = False
    """True if it takes a text about its role."""
    batch: int = 1
    """Number of sessions that can be open at once."""
    synchronous: bool = True
    """True: step t waits for the work on frame t, and returns its frame of speech. False: it
    returns whatever has arrived by then from a model that computes elsewhere; its duration says
    nothing about the model."""


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one input frame."""

    pcm: Pcm | None
    """(1920,) of the model's speech; None while it has none (its first frames)."""
    text: str = ""
    """The piece of text of this step; empty for padding."""
    ids: tuple[int, ...] = ()
    """The text token, then the audio codes where there are any."""
    spans: Mapping[str, Span] = field(default_factory=dict)
    """``encode``, ``step``, ``decode`` → span of that work; work that was not done is missing."""
    forced: bool = False
    """True if the text token was forced by `DuplexSession.say`."""
    unsaid_ms: float | None = None
    """In the step in which it fell silent for the user: ms of speech that it had left to say. None
    in any other step, and of models that don't know."""


@dataclass(frozen=True, slots=True)
class Advance:
    """The language model's output for one frame's codes, before decoding."""

    codes: Codes | None
    """Codes of the model's speech for `StagedSession.decode`; None while it has none."""
    text: str = ""
    """See `Step`."""
    ids: tuple[int, ...] = ()
    """See `Step`."""
    forced: bool = False
    """See `Step`."""
    depth_start_ns: int | None = None
    """Time at which the depth transformer began; None where the implementation doesn't tell."""


class DuplexSession(Protocol):
    """One conversation. Two sessions with the same seed and input give the same samples."""

    def step(self, pcm: Pcm) -> Step:
        """Hears one frame and says one; blocks for as long as the model computes.

        Raises:
            ContextEndError: the model's context is full.
        """

    def say(self, text: str) -> None:
        """Queues a text to be forced into the inner monologue, one token a frame.

        Before the first frame it is a greeting.

        Raises:
            EngineError: the implementation can't (`Capabilities.forced_text`).
        """


class ConditionedSession(DuplexSession, Protocol):
    """A session with a condition that is summed to its input (`Capabilities.sum_condition`)."""

    def condition_on(self, text: str) -> None:
        """Adds what a text means to the input of all later steps; empty: nothing any more.

        It takes effect as soon as the text is read: no step waits for that.
        """


class StagedSession(DuplexSession, Protocol):
    """A session whose three stages can be overlapped: see `pipelines.duplex.session.engine`.

    ``encode`` and ``advance`` are called from one thread, ``decode`` perhaps from another, each in
    the frames' order.
    """

    def encode(self, pcm: Pcm) -> Codes:
        """The user's frame as codes."""

    def advance(self, codes: Codes) -> Advance:
        """One step of the language model.

        Raises:
            ContextEndError: the model's context is full.
        """

    def decode(self, codes: Codes) -> Pcm:
        """The model's codes as a frame of speech."""


class DuplexModel(Protocol):
    """One implementation with its weights."""

    sample_rate_hz: int
    """24000."""
    frame_samples: int
    """1920."""
    capabilities: Capabilities

    def load(self) -> None:
        """Loads the weights.

        Raises:
            EngineError: a file is missing, truncated or of the wrong shape, or the memory is too
                small (checked before loading); one sentence that says what to do.
        """

    def open(self, seed: int = 0) -> AbstractContextManager[DuplexSession]:
        """A fresh session without any state of an earlier one. Streaming state lives inside it."""


class ContextEndError(Exception):
    """The model's context is full (3000 steps = 240 s for Moshi): stop, or begin a new session."""
