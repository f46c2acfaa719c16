"""Options of the click agent, and the click itself; both sides of the calibration share them."""

from __future__ import annotations

from dataclasses import dataclass

CLICK_LEVEL = 24000
"""Height of a click, which is one sample."""


@dataclass(frozen=True, slots=True)
class ClickOptions:
    """The click agent's known behaviour."""

    delay_ms: float = 80.0
    """Time from a click to its answer; never before the end of the chunk that held the click."""
    seed: int = 1
    """Seed of the answer's offset inside its chunk."""

    def __post_init__(self) -> None:
        if self.delay_ms < 0:
            raise ValueError("delay_ms must be >= 0")
