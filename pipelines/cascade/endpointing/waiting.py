"""Answer now, or wait? By what an interruption costs and what waiting costs, and how people pause.

Waiting until the time t costs ``p · (t − now)``, if the turn is over, and ``(1 − p) · C`` if it is
not and the pause is longer than t. People leave some 200 ms between turns and notice a longer wait,
which costs ``p · N`` once. An answer is given as soon as no wait costs less. So a sentence that is
probably whole is answered at once; one that may go on is waited for as long as most pauses last,
because a wait that ends within the pause would have been for nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

STEP_S = 0.01
UNNOTICED_S = 0.2
"""The gap that people leave between turns: a wait no longer than this is not noticed."""
LONGEST_S = 3.0
_GONE = 1e-4
"""Share of the pauses below which no pause is expected to last."""


def _survival(median_s: float, spread: float) -> NDArray[np.float64]:
    """(n,) share of the pauses that last longer than 0, 0.01 … 3 s."""
    times_s = np.arange(round(LONGEST_S / STEP_S) + 1) * STEP_S
    normal = (np.log(np.maximum(times_s, STEP_S / 10)) - math.log(median_s)) / spread
    return np.array([0.5 * math.erfc(z / math.sqrt(2)) for z in normal])


@dataclass(frozen=True)
class Pauses:
    """How long people pause within a turn: lognormal."""

    median_s: float
    """Half of the pauses are longer."""
    spread: float
    """Standard deviation of the length's natural logarithm."""
    longer: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    """(n,) share of the pauses that last longer than 0, 0.01 … 3 s."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "longer", _survival(self.median_s, self.spread))

    def worth_waiting(
        self, over: float, silence_s: float, cut_off_cost_s: float, noticed_cost_s: float = 0.0
    ) -> bool:
        """Whether some wait is expected to cost less than an answer now.

        Args:
            over: Probability that the turn is over, by all that is known now.
            silence_s: Silence so far.
            cut_off_cost_s: What an interruption costs, in s of waiting.
            noticed_cost_s: What it costs that the user notices a wait, in s of waiting.
        """
        now = min(int(silence_s / STEP_S), len(self.longer) - 1)
        if self.longer[now] < _GONE:
            return False
        still = self.longer[now + 1 :] / self.longer[now]
        waits_s = np.arange(1, len(still) + 1) * STEP_S
        costs = over * waits_s + (1 - over) * cut_off_cost_s * still
        if silence_s <= UNNOTICED_S:
            costs += over * noticed_cost_s * (silence_s + waits_s > UNNOTICED_S)
        return bool(costs.min(initial=math.inf) < (1 - over) * cut_off_cost_s)
