"""What a fixture is: the user's side of a conversation, with labels to the sample."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.judge import Expectation
from pipelines.audio.onsets import Span
from pipelines.errors import LabError

RATE_HZ = 16_000
"""The rate of every fixture."""

KINDS = (
    "command",
    "question",
    "greeting",
    "correction",
    "hesitation",
    "long",
    "refusal",
    "hold",
    "conversation",
    "barge_in",
    "floor",
    "other",
)
"""What a fixture can be; ``hold`` is speech that the agent must not answer, ``floor`` a
conversation with events over the agent's speech, ``other`` an import of unknown kind."""

EVENTS = ("interruption", "backchannel", "cough", "side_talk")
"""What a turn that begins over the agent's speech is. The user takes the floor only by an
interruption; over the others a good agent speaks on. Pauses are labelled inside a turn."""

LABELS = ("synthesis", "vad", "hand")
"""Where labels come from: known from making the audio, proposed by a detector, set by a person."""

CUES = ("start", "previous_end", "agent_onset", "agent_end")
"""What a turn can wait for: the trial's start, the end of the user's own previous turn, the
agent's first audible sample, the agent's falling silent."""


class FixtureError(LabError):
    """A fixture can't be used; the text is one sentence that names the file and the mend."""


@dataclass(frozen=True, slots=True)
class Cue:
    """When the user begins a turn."""

    after: str
    """One of ``CUES``."""
    delay_ms: int
    """From that event to the first sample of the turn's WAV, ≥ 0."""


@dataclass(frozen=True, slots=True)
class Speech:
    """One stretch of speech without a pause, in sample indices, half open."""

    phone_start: int
    """Start of the first phone (``labels = "vad"``: of the detector's segment). A stop consonant
    begins with a silent closure, so this is often earlier than ``audible_start``."""
    phone_end: int
    """End of the last phone (or of the detector's segment)."""
    audible_start: int
    """First audible sample, by the rule of ``pipelines.audio.onsets``, in the clean audio."""
    audible_end: int
    """One past the last audible sample, in the clean audio."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it is spoken, in sample indices, half open."""

    word: str
    """Lower case, without punctuation."""
    start: int
    """Start of its first phone."""
    end: int
    """End of its last phone."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the user: a WAV with its labels."""

    wav: Path
    """16 kHz mono 16-bit WAV."""
    sha256: str
    """Of the WAV file, 64 hex digits."""
    rate_hz: int
    """Samples per second."""
    samples: int
    """Length of the audio."""
    text: str
    """What is said: lower case, no punctuation; empty only for a cough."""
    cue: Cue
    """When the turn begins."""
    timeout_s: float
    """How long the cue and then the answer may take, > 0."""
    speech: tuple[Speech, ...]
    """At least one, in order; several around labelled pauses."""
    words: tuple[Word, ...]
    """In order; empty where unknown (imported audio)."""
    pauses: tuple[Span, ...]
    """Pauses inside the turn, in which a good agent does not answer yet."""
    expect: Expectation
    """What a good agent does."""
    event: str = ""
    """One of ``EVENTS``; empty for a turn that waits for the agent's end."""

    @property
    def u_on_sample(self) -> int:
        """Index of the first audible sample of the user."""
        return self.speech[0].audible_start

    @property
    def u_off_sample(self) -> int:
        """Index of the last audible sample of the user itself (not one past it)."""
        return self.speech[-1].audible_end - 1

    @property
    def duration_s(self) -> float:
        """Length of the WAV in seconds."""
        return self.samples / self.rate_hz


@dataclass(frozen=True, slots=True)
class Fixture:
    """The user's side of one conversation."""

    name: str
    """Unique; the name of its TOML without the suffix."""
    kind: str
    """One of ``KINDS``."""
    turns: tuple[Turn, ...]
    """At least one."""
    labels: str
    """One of ``LABELS``."""
    licence: str
    """SPDX id, or words."""
    origin: str
    """Who or what made the audio."""
    tags: tuple[str, ...]
    """E.g. ``clean``, ``quick``."""
    variant: str
    """What was done to the base's audio, e.g. ``babble10`` (10 dB SNR); empty if nothing."""
    base: str
    """Name of the fixture that this is a variant of; empty if none."""
    scene: str
    """What the creature sees, if the answer depends on it; else empty."""
    sha256: str
    """Of the TOML and its WAVs together: the fixture's identity in a run."""
    path: Path
    """The TOML."""

    @property
    def duration_s(self) -> float:
        """Length of all its WAVs in seconds."""
        return sum(turn.duration_s for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a fixture."""

    fixture: str
    """Its name, or the name of the file that can't be read."""
    text: str
    """One sentence with the mend."""
