"""Features for the classifier: the function words around a candidate, not its topic. Pure.

Every word that is not in a fixed list of function words becomes ``_``, so that what is learned of
"did you bring the cup" holds for the newspaper, and a small corpus suffices.
"""

from __future__ import annotations

from itertools import pairwise

from pipelines.watch.reading.spot import Candidate, Spotted
from pipelines.watch.reading.words import lexicon

FUNCTION_WORDS = frozenset(lexicon()["function_words"])
"""Function words; all other words become ``_``."""

SIDE = 4
"""Number of words on each side that have a position; further ones only count as present."""


def plain(word: str) -> str:
    """The word, or ``_``."""
    return word if word in FUNCTION_WORDS else "_"


def features(spotted: Spotted, candidate: Candidate, who: str) -> list[str]:
    """Names of the features that a candidate has.

    Args:
        spotted: Its sentence.
        candidate: One of its candidates.
        who: ``user`` or ``agent``.
    """
    said = [plain(w) for w in spotted.words]
    left = ["^", *said[: candidate.start]]
    right = [*said[candidate.end :], "$"]
    form = "ing" if spotted.words[candidate.start].endswith("ing") else "base"
    names = [f"form={form}", f"left={min(candidate.start, 8)}", f"right={min(len(right) - 1, 5)}"]
    names += [f"task={candidate.task}", "open" if candidate.object is None else "named"]
    for size in (1, 2, 3, 4):
        names.append(f"L{size}={' '.join(left[-size:])}")
        names.append(f"R{size}={' '.join(right[:size])}")
    for size in (1, 2, 3):
        names.append(f"B{size}={' '.join(left[: size + 1])}")
    names += [f"l={w}" for w in set(left[-8:])] + [f"r={w}" for w in set(right)]
    names += [f"ll={a} {b}" for a, b in set(pairwise(left))]
    for index, word in enumerate(reversed(left[-SIDE:]), 1):
        names.append(f"L@{index}={word}")
    names.append(f"form+L2={form} {' '.join(left[-2:])}")
    others = {f"{who}:{name}" for name in names}
    return [f"who={who}", *sorted(others)]
