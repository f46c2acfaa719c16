"""Probability that the turn is over, from words, silence and voice."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipelines.cascade.endpointing.track import Ending, SpeechTrack
from pipelines.cascade.endpointing.waiting import Pauses
from pipelines.cascade.endpointing.words import BUCKETS, whole
from pipelines.errors import SpecError

WEIGHTS = Path(__file__).with_name("weights") / "end_of_turn.npz"
INPUTS = (
    "whole", "log_silence", "silence_s", "voice", "voice_3", "unchanged_s",
    "fall_db", "pitch_st", "slope_st", "last_voiced_s", "above_floor_db",
)  # fmt: skip
"""The net's inputs, in their order."""


@dataclass(frozen=True, slots=True)
class EndOfTurnModel:
    """The weights. One is shared by all conversations: it keeps no state."""

    words: NDArray[np.float32]
    """(BUCKETS,) of `pipelines.cascade.endpointing.words`."""
    mean: NDArray[np.float32]
    """(inputs,)"""
    scale: NDArray[np.float32]
    """(inputs,)"""
    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    """Matrices (in, out) and biases (out,); tanh between them."""
    pauses: Pauses
    """How long the users paused that it was trained on."""

    @classmethod
    @functools.cache
    def shipped(cls) -> Self:
        """The lab's own weights: read once, however many conversations there are."""
        return cls.load()

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> Self:
        """Reads the weights.

        Raises:
            SpecError: the file is missing, or is no such file.
        """
        try:
            with np.load(path, allow_pickle=False) as kept:
                n = sum(name.startswith("matrix_") for name in kept.files)
                found = cls(
                    words=kept["words"].astype(np.float32),
                    mean=kept["mean"],
                    scale=kept["scale"],
                    layers=tuple((kept[f"matrix_{i}"], kept[f"bias_{i}"]) for i in range(n)),
                    pauses=Pauses(*(float(x) for x in kept["pauses"])),
                )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SpecError(
                f"The end-of-turn model {path} can't be read ({error}): restore the file, or make "
                "it anew by python -m training.endpointing."
            ) from error
        if found.words.shape != (BUCKETS,) or found.mean.shape != (len(INPUTS),):
            raise SpecError(f"{path} holds weights of another shape: make it anew.")
        return found

    def probability(self, inputs: NDArray[np.float32]) -> float:
        """Probability that the turn is over.

        Args:
            inputs: (11,) in the order of `INPUTS`.
        """
        x = (inputs - self.mean) / self.scale
        for i, (matrix, bias) in enumerate(self.layers):
            x = x @ matrix + bias
            if i + 1 < len(self.layers):
                x = np.tanh(x)
        return 1 / (1 + math.exp(-float(np.clip(x[0], -30, 30))))


def inputs(
    track: SpeechTrack, ending: Ending, unchanged_s: float, whole_words: float
) -> NDArray[np.float32]:
    """The net's inputs at this moment.

    Args:
        track: The sound so far.
        ending: How the last words were said (it changes only with them).
        unchanged_s: Time since they last changed.
        whole_words: Log-odds that they are whole.
    """
    silence_s = track.silence_ms / 1000
    recent = track.voices[-3:]
    return np.array(
        [
            whole_words,
            math.log(silence_s + 0.02),
            min(silence_s, 3.0),
            track.voice,
            sum(recent) / max(1, len(recent)),
            min(unchanged_s, 1.0),
            ending.fall_db,
            ending.pitch_st,
            ending.slope_st / 10,
            ending.last_voiced_s,
            ending.above_floor_db,
        ],
        dtype=np.float32,
    )


__all__ = ["INPUTS", "WEIGHTS", "EndOfTurnModel", "inputs", "whole"]
