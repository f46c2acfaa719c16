"""A dialogue as the model meets it, and what is known of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.nano_duplex.speech import FRAME, Utterance


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that the user says, and what the model does."""

    kind: str
    """command, question, talk, refusal, pause (a sentence with pauses), list (its answer is one,
    and told to its end), interruption, overlap (said into another answer's end); and what is not
    answered: backchannel, cough, side_talk."""
    user: str
    """What is said."""
    agent: str
    """What is answered; empty for nothing."""
    expect: dict[str, Any]
    """What a right answer names: `bench.store.expectation.Expectation` as a table."""
    user_frames: tuple[int, int]
    """The frames that the user's words touch, half open."""
    agent_frames: tuple[int, int] | None
    """The frames of the answer's voice, half open, up to where it is cut off; None for none."""
    pauses: tuple[tuple[int, int], ...] = ()
    """The whole frames of silence inside the user's sentence, half open."""
    cut: bool = False
    """Whether the answer was interrupted."""


@dataclass(slots=True)
class Dialogue:
    """A dialogue as the model meets it."""

    user: NDArray[np.int16]
    """(1920 t,) at 24 kHz: what the model hears."""
    agent: NDArray[np.int16]
    """(1920 t,) at 24 kHz: what it says."""
    text: NDArray[np.uint16]
    """(t,) its text stream."""
    words: list[tuple[str, int, int]]
    """The user's words with their first frame and the one after their last."""
    turns: list[Turn]
    voice: str
    """The user's voice, by its key."""

    def record(self) -> dict[str, Any]:
        """Voice, words and turns as JSON has them."""
        turns = [asdict(turn) for turn in self.turns]
        return {"voice": self.voice, "words": self.words, "turns": turns}


@dataclass(slots=True)
class Said:
    """A sentence in pieces around its pauses: each with its first sample, and where all ends."""

    pieces: list[tuple[int, Utterance]] = field(default_factory=list)
    size: int = 0

    @property
    def start(self) -> int:
        """Its first phone."""
        return self.pieces[0][0] + self.pieces[0][1].start

    @property
    def end(self) -> int:
        """One past its last phone."""
        return self.pieces[-1][0] + self.pieces[-1][1].end

    def pauses(self) -> tuple[tuple[int, int], ...]:
        """The whole frames without sound between its pieces, half open."""
        spans = [
            (-(-(at + piece.pcm.size) // FRAME), following // FRAME)
            for (at, piece), (following, _) in pairwise(self.pieces)
        ]
        return tuple((a, b) for a, b in spans if a < b)
