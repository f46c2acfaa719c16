"""A conversation cut where somebody starts or stops to sound: the pieces that turns are made of.

Turn-taking models speak of "micro-turns" of about 200 ms. This module measures how long the pieces
of a recording are in fact: stretches in which only the user sounds, only the agent, both, or
neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from bench.store.recording import AGENT, USER, Stereo
from pipelines.audio.onsets import audible_spans

CLAIMED_MS = 200.0
"""Length that micro-turns are said to have, ms."""
MERGE_GAP_MS = 80.0
"""Longest closure inside a word, ms: no silence. Shorter than elsewhere, to keep short pauses."""
State = Literal["nobody", "user", "agent", "both"]
STATES: tuple[State, ...] = get_args(State)
"""The speakers that sound; index = 1 for the user + 2 for the agent."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a recording in which the same speakers sound."""

    state: State
    start_ms: float
    """Start, from the recording's start."""
    ms: float
    """Length of the stretch."""


def pieces(pcm: Stereo, rate_hz: int) -> list[Piece]:
    """The pieces of a recording, from the first sound of anyone to the last.

    Args:
        pcm: (n, 2) int16.
        rate_hz: Samples per second.
    """
    edges: list[tuple[int, int]] = []
    for channel, weight in ((USER, 1), (AGENT, 2)):
        for span in audible_spans(pcm[:, channel], rate_hz, merge_gap_ms=MERGE_GAP_MS):
            edges += [(span.start, weight), (span.end, -weight)]
    if not edges:
        return []
    at, change = np.array(sorted(edges)).T
    state = np.cumsum(change)[:-1]
    length = np.diff(at)
    return [
        Piece(STATES[s], float(a) / rate_hz * 1e3, float(n) / rate_hz * 1e3)
        for s, a, n in zip(state.tolist(), at[:-1].tolist(), length.tolist(), strict=True)
        if n > 0
    ]
