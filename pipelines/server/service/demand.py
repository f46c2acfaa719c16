"""How many seats of a preset should be warm: a rule that looks at the last minutes. Pure.

The rate of conversations that begin is estimated by the last ones, each counted less the older it
is. Seats are wanted for those that are open now, and for as many as will begin within the time that
is looked ahead, with a probability of 95 %, as if they came independently (Poisson).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

MEMORY_S = 180.0
"""Age at which a conversation's beginning counts 1/e of a new one's, s."""
SURE = 0.95
"""Probability that the seats suffice."""
MOST_KEPT = 1_000
"""Beginnings that are looked at."""


def expected(began_s: Iterable[float], now_s: float, ahead_s: float) -> float:
    """Conversations that will begin within ``ahead_s``, on average.

    Args:
        began_s: When others began, s on any clock.
        now_s: Now, on the same.
        ahead_s: The time that is looked ahead.
    """
    weights = (math.exp(-(now_s - at_s) / MEMORY_S) for at_s in began_s if at_s <= now_s)
    return sum(weights) / MEMORY_S * ahead_s


def enough_for(mean: float) -> int:
    """Least number that as many as ``mean`` on average exceed with a probability of 5 % at most."""
    count, term = 0, math.exp(-mean)
    total = term
    while total < SURE and term > 0:
        count += 1
        term *= mean / count
        total += term
    return count


@dataclass(slots=True)
class Demand:
    """Beginnings of one preset's conversations."""

    _began_s: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))

    def began(self, now_s: float) -> None:
        """A conversation begins."""
        self._began_s.append(now_s)

    def seats(self, now_s: float, open_now: int, ahead_s: float) -> int:
        """Seats that should be warm.

        Args:
            now_s: Now, on the clock of `began`.
            open_now: Conversations that are open.
            ahead_s: The time that is looked ahead, s: at least that of loading a seat.
        """
        return open_now + enough_for(expected(self._began_s, now_s, ahead_s))
