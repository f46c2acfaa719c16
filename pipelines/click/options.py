"""Options of the click agent, and the click itself; both sides of the calibration share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pipelines.guards.ranges import DelayMs, Range, Seed

CLICK_LEVEL = 24000
"""Height of a click, which is one sample."""


@dataclass(frozen=True, slots=True)
class ClickOptions:
    """The click agent's known behaviour."""

    delay_ms: DelayMs = 80.0
    """Time from a click to its answer; never before the end of the chunk that held the click."""
    seed: Seed = 1
    """Seed of the answer's offset inside its chunk."""
    threshold: Annotated[int, Range(100, 32_767)] = CLICK_LEVEL // 2
    """Level above which a sample is a click; behind a codec that smears one, less."""
    deaf_ms: DelayMs = 0.0
    """Time after a click in which no other is taken, for a codec's echoes of it."""
    answer_ms: DelayMs = 0.0
    """Least length of an answer, its silence behind the click with it: the packets of a protocol
    are then filled as by speech."""
