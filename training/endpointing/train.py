"""Fits the two halves of the end-of-turn model: words first, then words, silence and voice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from pipelines.cascade.endpointing.words import BUCKETS, features, whole
from training.endpointing.sentences import fixtures_sentences, is_held_out, pause_odds, said
from training.endpointing.simulate import PAUSE_MEDIAN_S, PAUSE_SPREAD, Row

WORDS_C = 0.2
"""Inverse strength of the words' regularisation."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words before a silence."""

    said: str
    over: bool
    """Whether they are all that is said."""
    weight: float
    """How often."""


def texts() -> Iterator[Text]:
    """Sentences, whole and broken where users pause.

    Parts that read like a fixture's sentence are left out, see `training.endpointing.sentences`.
    """
    excluded = fixtures_sentences()
    counts: dict[tuple[str, bool], float] = defaultdict(float)
    for sentence, often in said().items():
        if is_held_out(sentence):
            continue
        words = sentence.split()
        counts[sentence, True] += often
        for k, odds in enumerate(pause_odds(words), start=1):
            if (part := " ".join(words[:k])) not in excluded:
                counts[part, False] += often * odds
    for (text, over), often in counts.items():
        yield Text(text, over, often)


def matrix(said: Sequence[str]) -> csr_matrix:
    """(n, BUCKETS) counts of the texts' features."""
    at = [list(features(t)) for t in said]
    starts = np.cumsum([0, *map(len, at)])
    columns = np.concatenate([np.array(a) for a in at])
    return csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(said), BUCKETS))


def fit_words() -> NDArray[np.float32]:
    """(BUCKETS,) weights; the constant is left to the net."""
    of = list(texts())
    fitted = LogisticRegression(C=WORDS_C, max_iter=300).fit(
        matrix([t.said for t in of]),
        [t.over for t in of],
        sample_weight=[t.weight for t in of],
    )
    return np.asarray(fitted.coef_[0], dtype=np.float32)


def table(
    rows: Sequence[Row], words: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Inputs (n, 11) and whether the turn was over (n,)."""
    x = np.stack([row.inputs for row in rows])
    known: dict[str, float] = {}
    for i, row in enumerate(rows):
        if row.heard not in known:
            known[row.heard] = whole(row.heard, words)
        x[i, 0] = known[row.heard]
    return x, np.array([row.over for row in rows], np.int8)


def fit(rows: Sequence[Row], out: Path) -> None:
    """Fits and writes the model."""
    write(rows, fit_words(), out)


def write(rows: Sequence[Row], words: NDArray[np.float32], out: Path) -> None:
    """Fits the second half on the first, and writes both."""
    x, over = table(rows, words)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    # A net with a hidden layer fits the training voices better and voices of another synthesiser
    # worse: a single layer it is.
    fitted = LogisticRegression(C=1.0, max_iter=300).fit((x - mean) / scale, over)
    arrays = {
        "matrix_0": fitted.coef_.T.astype(np.float32),
        "bias_0": fitted.intercept_.astype(np.float32),
        "pauses": np.array([PAUSE_MEDIAN_S, PAUSE_SPREAD]),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, words=words.astype(np.float16), mean=mean, scale=scale, **arrays)
