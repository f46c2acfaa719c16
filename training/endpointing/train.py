"""Fits the two halves of the end-of-turn model: words first, then words, silence and voice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from pipelines.cascade.endpointing.words import BUCKETS, features, whole
from training.endpointing.simulate import Row, breaks, sentences

HEARD = 6
"""How often each text that the recogniser heard counts."""
WORDS_C = 0.5
"""Inverse strength of the words' regularisation."""


def texts(rows: Sequence[Row], seed: int, draws: int = 12) -> tuple[list[str], NDArray[np.int8]]:
    """Texts and whether each is whole: sentences broken as users break them, and what was heard."""
    rng = random.Random(seed)
    found: list[tuple[str, int]] = []
    for sentence in sentences(held_out=False):
        words = sentence.split()
        for _ in range(draws):
            found.append((sentence, 1))
            found += [(" ".join(words[:k]), 0) for k in breaks(words, rng)]
    for row in rows:
        if 90 <= row.since_ms < 110:
            found += [(row.heard, int(row.over))] * HEARD
    return [t for t, _ in found], np.array([y for _, y in found], np.int8)


def matrix(said: Sequence[str]) -> csr_matrix:
    """(n, BUCKETS) counts of the texts' features."""
    at = [list(features(t)) for t in said]
    starts = np.cumsum([0, *map(len, at)])
    columns = np.concatenate([np.array(a) for a in at])
    return csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(said), BUCKETS))


def fit_words(rows: Sequence[Row], seed: int) -> NDArray[np.float32]:
    """(BUCKETS,) weights; the constant is left to the net."""
    said, over = texts(rows, seed)
    fitted = LogisticRegression(C=WORDS_C, max_iter=300).fit(matrix(said), over)
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


def fit(rows: Sequence[Row], seed: int, out: Path) -> None:
    """Fits and writes the model."""
    # The words are fitted on one half of the utterances' hearing, the net on all of it, so that
    # it does not trust words more than it may.
    words = fit_words([r for r in rows if r.utterance % 2], seed)
    x, over = table(rows, words)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    # A net with a hidden layer fits the training voices better and voices of another synthesiser
    # worse: a single layer it is.
    fitted = LogisticRegression(C=1.0, max_iter=300).fit((x - mean) / scale, over)
    arrays = {
        "matrix_0": fitted.coef_.T.astype(np.float32),
        "bias_0": fitted.intercept_.astype(np.float32),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, words=words.astype(np.float16), mean=mean, scale=scale, **arrays)
