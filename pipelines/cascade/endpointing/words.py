"""Do these words make a whole sentence? A hashed log-linear model over the last words.

It is trained on sentences and on the places within them where people pause
(`training/endpointing`), so it knows "put the cup on the" from "put the cup on the table". Words
that it never saw fall back on their place and on the little words around them.
"""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BUCKETS = 524_288
"""Weights of the model: features are hashed into so many."""
_LITTLE = (
    "a an the and or but to of in on at by for from with into onto under over next beside behind "
    "between near my your his her its our their this that these those is are was were be been am "
    "do does did have has had can could will would should may might must i you he she we they me "
    "it him us them what where who when why how which if then so because as than not no yes "
    "please um uh hmm er"
)
LITTLE = frozenset(_LITTLE.split())
"""Words of every speaker's: what follows them tells more than what they mean."""
_NEW_CLAUSE = frozenset({"and", "then", "but", "or", "after", "wait", "sorry"})
_MARKS = '.,;:!?…–"“”'
"""Around words: a recogniser such as Whisper writes them, and guesses at them while words come."""


def features(text: str) -> Iterator[int]:
    """Buckets of the features of a text; its case and its marks make no difference."""
    words = [bare for word in text.lower().split() if (bare := word.strip(_MARKS))]
    classes = [w if w in LITTLE else "*" for w in words]
    n = len(words)
    names = [f"n{min(n, 12)}", "all:" + " ".join(words) if n <= 5 else f"long{min(n, 16) // 3}"]
    for k in (1, 2, 3, 4):
        names.append(f"w{k}:" + " ".join(words[-k:]))
        names.append(f"c{k}:" + " ".join(classes[-k:]))
    names.append("c5:" + " ".join(classes[-5:]))
    if words:
        names.append(f"f:{words[0]}|{classes[-1]}|{min(n, 6)}")
        names.append(f"f2:{' '.join(words[:2])}|{words[-1]}")
        names.append(f"and{int('and' in words or 'then' in words)}|{words[0]}|{classes[-1]}")
        names += _of_clause(words, classes)
    for name in names:
        yield crc32(name.encode()) % BUCKETS


def _of_clause(words: list[str], classes: list[str]) -> list[str]:
    """Features of the last clause: which verb it begins with, and what little words it has."""
    start = max((i for i, word in enumerate(words) if word in _NEW_CLAUSE), default=-1) + 1
    clause, kinds = words[start:], classes[start:]
    first, last = clause[0] if clause else "", " ".join(kinds[-2:])
    little = " ".join(kind for kind in kinds if kind != "*")
    return [
        f"k:{first}|{last}|{min(len(clause), 8)}|{int(start > 0)}",
        f"k2:{' '.join(clause[:2])}|{last}",
        f"kl:{first}|{little}",
    ]


def whole(text: str, weights: NDArray[np.float32]) -> float:
    """Log-odds that a text is a whole utterance and no part of one.

    Args:
        text: The words so far.
        weights: (BUCKETS,).
    """
    return float(sum(weights[at] for at in features(text)))
