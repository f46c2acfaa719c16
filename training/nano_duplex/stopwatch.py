"""Time at work: a training that was stopped for a while does not lose its schedule."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_S = 15.0
"""A step that seems to take longer was a pause, and counts as so much."""


class Stopwatch:
    """Adds up what steps take."""

    def __init__(self, seconds: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Goes on from so many seconds."""
        self.seconds = seconds
        self._clock, self._last = clock, clock()

    def lap(self) -> float:
        """Counts the step that ends now; returns all seconds so far."""
        now = self._clock()
        self.seconds += min(now - self._last, LONGEST_S)
        self._last = now
        return self.seconds
