"""How long the parts of a run took, by the wall clock: printed at its end, kept with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.stats.format import duration


class Stopwatch:
    """Wall time of named parts, in the order in which each first began.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_s = clock()
        self.parts: dict[str, float] = {}
        """Part → its time so far, s."""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Counts the block's time, however it ends; several blocks of a name add up."""
        began_s = self._clock()
        self.parts.setdefault(name, 0.0)
        try:
            yield
        finally:
            self.parts[name] += self._clock() - began_s

    @property
    def total_s(self) -> float:
        """Time since the start, s."""
        return self._clock() - self._began_s

    def text(self) -> str:
        """All parts in one line."""
        parts = ", ".join(f"{name} {duration(s)}" for name, s in self.parts.items())
        return f"{duration(self.total_s)} in all ({parts})"
