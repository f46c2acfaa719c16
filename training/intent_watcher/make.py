"""Trains the intent watcher's classifier and writes its weights: seeded, the same file each time.

    python -m training.intent_watcher.make

Draws the corpus, asks the watcher's own patterns for candidates, labels each by the sentence it
stands in, fits a logistic regression with an L1 penalty (most weights become 0, so that the file
stays small), and chooses the threshold on sentences of the corpus that were kept back. The
hand-written sentences are excluded word for word, and read only with ``--score``, at the end.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.watch.reading.features import features
from pipelines.watch.reading.judge import WEIGHTS, load_judge
from pipelines.watch.reading.spot import spot
from pipelines.watch.score import Score, read_sentences, score
from training.intent_watcher.corpus import HAND_WRITTEN, Sentence, normal, sentences

SENTENCES, SEED, C = 24_000, 5, 0.5
DIGITS = 3
"""Of a weight, behind the point."""


def candidates(corpus: Sequence[Sentence]) -> tuple[list[dict[str, int]], list[bool], int]:
    """Features and labels of every candidate in the corpus, and how many tasks no pattern found."""
    rows: list[dict[str, int]] = []
    labels: list[bool] = []
    missed = 0
    for sentence in corpus:
        spotted, due = spot(sentence.text), list(sentence.tasks)
        for candidate in spotted.candidates:
            meant = candidate.task in due
            if meant:
                due.remove(candidate.task)
            rows.append(dict.fromkeys(features(spotted, candidate, sentence.who), 1))
            labels.append(meant)
        missed += len(due)
    return rows, labels, missed


def best_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The one with the largest F1; of several the one in their middle."""
    grid = np.arange(0.20, 0.81, 0.02)
    f1 = []
    for threshold in grid:
        said = probabilities >= threshold
        f1.append(2 * (said & labels).sum() / max(1, said.sum() + labels.sum()))
    best = np.flatnonzero(np.asarray(f1) >= max(f1) - 1e-4)
    return round(float(np.median(grid[best])), 2)


def train(count: int, seed: int, c: float, out: Path) -> dict[str, float]:
    """Makes the file; returns what was counted."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    excluded = frozenset(normal(row.text) for row in read_sentences(HAND_WRITTEN))
    corpus = list(sentences(count, seed, excluded))
    cut = count * 9 // 10
    rows, labels, missed = candidates(corpus[:cut])
    kept_rows, kept_labels, kept_missed = candidates(corpus[cut:])
    vectors = DictVectorizer()
    model = LogisticRegression(
        l1_ratio=1.0, C=c, solver="liblinear", random_state=seed, max_iter=400
    )
    model.fit(_narrow(vectors.fit_transform(rows)), labels)
    kept = model.predict_proba(_narrow(vectors.transform(kept_rows)))[:, 1]
    threshold = best_threshold(kept, np.asarray(kept_labels))
    weights = {
        name: round(float(weight), DIGITS)
        for name, weight in zip(vectors.get_feature_names_out(), model.coef_[0], strict=True)
        if round(float(weight), DIGITS)
    }
    made = {
        "made_by": f"python -m training.intent_watcher.make --sentences {count} --seed {seed} "
        f"--c {c:g}",
        "threshold": threshold,
        "bias": round(float(model.intercept_[0]), DIGITS),
        "weights": dict(sorted(weights.items())),
    }
    out.write_text(json.dumps(made, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    said, right = kept >= threshold, np.asarray(kept_labels)
    return {
        "candidates": len(rows),
        "weights": len(weights),
        "threshold": threshold,
        "tasks that no pattern found": missed + kept_missed,
        "F1 on candidates kept back": 2 * (said & right).sum() / (said.sum() + right.sum()),
    }


def _narrow(matrix: Any) -> Any:
    """With indices of 32 bits: liblinear takes no others."""
    matrix.indices = matrix.indices.astype(np.int32)
    matrix.indptr = matrix.indptr.astype(np.int32)
    return matrix


def told(name: str, found: Score) -> str:
    """One line on a score."""
    return (
        f"{name}: F1 {found.f1:.3f} (precision {found.precision:.3f}, recall {found.recall:.3f}; "
        f"{found.exact}/{found.sentences} sentences right; slots right in "
        f"{found.slots_right}/{found.right} tasks found)"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sentences", type=int, default=SENTENCES)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--c", type=float, default=C)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--score", action="store_true", help="read the hand-written sentences")
    args = parser.parse_args()
    for name, value in train(args.sentences, args.seed, args.c, args.out).items():
        print(f"{name}: {value:.4g}")
    if args.score:
        rows = read_sentences(HAND_WRITTEN)
        print(told("patterns alone", score(rows, None)))
        print(told("patterns and classifier", score(rows, load_judge(args.out))))


if __name__ == "__main__":
    main()
