"""The opening of a mouth that speaks this audio: the RMS of each frame, normalised and smoothed.

The baseline of lip-sync: no phonemes, no model. RMS in dBFS is mapped linearly onto 0–1 between a
level that counts as silence and one that counts as a full voice, because loudness is perceived in
dB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FRAME_MS = 80
"""Length of a frame, one value each: that of Mimi's frames, 1 / 12.5 Hz."""
SILENT_DBFS = -45.0
"""RMS at and below which the mouth is closed: 0."""
FULL_DBFS = -15.0
"""RMS at and above which it is wide open: 1."""


def openness(pcm: npt.NDArray[np.int16]) -> float:
    """0 (closed) to 1 (wide open) for one frame.

    Args:
        pcm: (n,) int16; without samples the mouth is closed.
    """
    if not len(pcm):
        return 0.0
    rms = float(np.sqrt(np.mean(np.square(pcm.astype(np.float64))))) / 32768
    if rms <= 0:
        return 0.0
    dbfs = 20 * math.log10(rms)
    return min(1.0, max(0.0, (dbfs - SILENT_DBFS) / (FULL_DBFS - SILENT_DBFS)))


@dataclass(slots=True)
class Smoother:
    """Follows a value: quickly when it rises, slower when it falls, as lips do."""

    rise: float = 0.8
    """Share of the remaining way per frame when the mouth opens, 0–1."""
    fall: float = 0.5
    """Share of the remaining way per frame when it closes, 0–1."""
    value: float = 0.0
    """The present value."""

    def step(self, target: float) -> float:
        """Takes the next frame's value; returns the smoothed one."""
        share = self.rise if target > self.value else self.fall
        self.value += share * (target - self.value)
        return self.value
