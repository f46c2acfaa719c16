"""The definitions of Full-Duplex-Bench v1, with their clamps. Pure.

Of github.com/DanielLin94144/Full-Duplex-Bench: ``evaluation/eval_pause_handling.py``,
``eval_smooth_turn_taking.py`` and ``eval_user_interruption.py`` as of d951c42, and
``eval_backchannel.py`` as of ab664f4. What they decide is kept as it is, right or not;
docs/recorded.md says where ours differs. Times in s, as in the scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHORT_S, FEW_WORDS = 1.0, 3
"""Words that span less, and are no more, do not take the turn."""
LONG_S = 3.0
"""Speech that lasts longer takes the turn, and nothing after it is looked at."""
FEW_BACKCHANNEL_WORDS = 2
"""Most words of a backchannel."""
BIN_S = 0.2
"""Width of a bin of the timing of backchannels."""
EPSILON = 1e-10
"""Added to each bin."""
NO_BACKCHANNEL_JSD = 1.0
"""Divergence of a sample without a backchannel."""


@dataclass(frozen=True, slots=True)
class Word:
    """One entry of ``chunks`` in ``output.json``."""

    start_s: float
    end_s: float | None
    """None where the recogniser gave none."""


Stretch = tuple[float, float]
"""(start, end), s."""


def takes_turn(words: Sequence[Word]) -> bool:
    """Whether the agent took the turn, by the words of its whole output.

    The span is from the first word's start to the last one's end; to its start where it has none,
    as in pause handling.
    """
    if not words:
        return False
    end_s = words[-1].start_s if words[-1].end_s is None else words[-1].end_s
    return end_s - words[0].start_s >= SHORT_S or len(words) > FEW_WORDS


def latency_s(words: Sequence[Word], user_end_s: float) -> float | None:
    """First word − the user's end, 0 if it is negative; None where no turn was taken."""
    if not takes_turn(words):
        return None
    return max(0.0, words[0].start_s - user_end_s)


@dataclass(frozen=True, slots=True)
class Backchannels:
    """A sample of the task backchannel."""

    took_turn: bool
    """By the last stretch that was looked at."""
    stretches: tuple[Stretch, ...]
    """Stretches taken for backchannels since the last that took the turn."""


def backchannels(stretches: Sequence[Stretch], words: Sequence[Word]) -> Backchannels:
    """Which of the agent's stretches of speech are backchannels.

    One of more than `LONG_S` ends the search and takes the turn, and what was found before it
    stays. A shorter one is a backchannel if it lasts less than 1 s and at most two words lie in
    it; else it takes the turn, and what was found before is forgotten.
    """
    took, found = False, list[Stretch]()
    for start_s, end_s in stretches:
        if end_s - start_s > LONG_S:
            return Backchannels(True, tuple(found))
        said = sum(_lies_in(word, start_s, end_s) for word in words)
        took = end_s - start_s >= SHORT_S or said > FEW_BACKCHANNEL_WORDS
        found = [] if took else [*found, (start_s, end_s)]
    return Backchannels(took, tuple(found))


def _lies_in(word: Word, start_s: float, end_s: float) -> bool:
    """Whether a word is counted to a stretch; one without an end only at the stretch's end."""
    if word.end_s is None and word.start_s < end_s:
        return False
    word_end_s = word.start_s if word.end_s is None else word.end_s
    within = word.start_s >= start_s and word_end_s <= end_s
    over_end = word.start_s <= end_s < word_end_s
    over_start = word.start_s <= start_s < word_end_s
    return within or over_end or over_start


def jsd(stretches: Sequence[Stretch], length_s: float, people: Sequence[float]) -> float:
    """Jensen–Shannon distance of the timing of backchannels from people's.

    Args:
        stretches: The backchannels.
        length_s: Length of the output.
        people: (k,) people's timing in the sample, of any number of bins: it is stretched to the
            output's.

    Returns:
        The square root of the divergence with natural logarithms, 1 without a backchannel.
    """
    if not stretches:
        return NO_BACKCHANNEL_JSD
    bins = np.zeros(int(length_s / BIN_S) + 1)
    for start_s, end_s in stretches:
        bins[int(start_s / BIN_S) : int(end_s / BIN_S) + 1] += 1
    ours = (bins + EPSILON) / np.sum(bins + EPSILON)
    places = np.linspace(0, 1, len(people))
    theirs = np.interp(np.linspace(0, 1, len(bins)), places, np.asarray(people, np.float64))
    theirs = theirs / np.sum(theirs)
    middle = (ours + theirs) / 2
    return float(np.sqrt((_entropy(ours, middle) + _entropy(theirs, middle)) / 2))


def _entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Relative entropy with natural logarithms; 0 · log 0 is 0."""
    some = p > 0
    return float(np.sum(p[some] * np.log(p[some] / q[some])))
