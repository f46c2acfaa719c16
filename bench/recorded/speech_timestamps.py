"""Stretches of speech as Silero's own ``get_speech_timestamps`` gives them, with its defaults.

Benchmarks' scripts measure from them; our figures don't, for they are whole windows of 32 ms with
30 ms added on either side. The rules are those of silero-vad 6.2.1, whose model Pipecat carries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.fixtures.fixture import RATE_HZ
from bench.fixtures.speech_segments import ENTER, LEAVE, WINDOW, confidences

MIN_SPEECH = RATE_HZ * 250 // 1000
"""Samples of speech, at most, that are dropped."""
MIN_SILENCE = RATE_HZ * 100 // 1000
"""Least samples of silence that end a stretch."""
PAD = RATE_HZ * 30 // 1000
"""Samples added on either side; of a shorter gap each side gets half."""


def speech_timestamps(signal: NDArray[np.floating[Any]]) -> list[tuple[int, int]]:
    """The stretches (start, end) in samples.

    Args:
        signal: (n,) floats in ±1, taken to be at 16 kHz.
    """
    return _padded(_stretches(confidences(signal), len(signal)), len(signal))


def _stretches(confidence: NDArray[np.float32], samples: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    start: int | None = None
    quiet_from: int | None = None
    for i, value in enumerate(confidence):
        at = i * WINDOW
        if value >= ENTER:
            quiet_from = None
            start = at if start is None else start
        elif value < LEAVE and start is not None:
            quiet_from = at if quiet_from is None else quiet_from
            if at - quiet_from >= MIN_SILENCE:
                found.append((start, quiet_from))
                start = quiet_from = None
    if start is not None:
        found.append((start, samples))
    return [(start, end) for start, end in found if end - start > MIN_SPEECH]


def _padded(found: list[tuple[int, int]], samples: int) -> list[tuple[int, int]]:
    starts, ends = [s for s, _ in found], [e for _, e in found]
    if found:
        starts[0], ends[-1] = max(0, starts[0] - PAD), min(samples, ends[-1] + PAD)
    for i in range(len(found) - 1):
        pad = min(PAD, (found[i + 1][0] - found[i][1]) // 2)
        ends[i], starts[i + 1] = min(samples, ends[i] + pad), max(0, starts[i + 1] - pad)
    return list(zip(starts, ends, strict=True))
