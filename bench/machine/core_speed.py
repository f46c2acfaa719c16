"""The speed of one core of this machine, measured in a second: measured costs are scaled by it.

Two figures, by CPU time, so that a busy machine is not taken for a slow one: the speed of
arithmetic, and of reading memory (the main part of every step of a large model). They are no
benchmark of any model, and everything scaled by them is an estimate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ROUNDS = 21
_COMPUTE = 200_000
"""Number of values, which fit a cache."""
_MEMORY = 8_000_000
"""64 MB: none of it stays in a cache."""


@dataclass(frozen=True, slots=True)
class Speed:
    """The speed of one core."""

    compute: float
    """Millions of sines per second of CPU time."""
    memory: float
    """GB read per second of CPU time."""

    def slower_than(self, other: Speed) -> float:
        """How many times as long work takes on this machine, by the worse of the two figures."""
        return max(other.compute / self.compute, other.memory / self.memory)


def measure(rounds: int = ROUNDS, clock: Callable[[], float] = time.process_time) -> Speed:
    """Probes this machine; the best of some rounds, since other programs only slow a round down.

    Args:
        rounds: Number of rounds; the first is left out.
        clock: CPU seconds of this process.
    """
    angles = np.linspace(0.0, 100.0, _COMPUTE)
    block = np.ones(_MEMORY)
    sines, reads = [], []
    for _ in range(rounds + 1):
        began = clock()
        np.sin(angles)
        between = clock()
        block.max()
        sines.append(between - began)
        reads.append(clock() - between)
    return Speed(
        compute=_COMPUTE / 1e6 / max(min(sines[1:]), 1e-9),
        memory=block.nbytes / 1e9 / max(min(reads[1:]), 1e-9),
    )
