"""Task 5b. A small classifier that decides which of the candidates are meant. Writes weights.json.

The watcher's own patterns (pipelines/watch/reading/patterns.py) propose candidates; the features
(pipelines/watch/reading/features.py) say what little words stand around each. What is missing is
what a candidate's features are worth.
"""

import json
from pathlib import Path

from labs.lab5b_duplex.reading import CORPUS, SENTENCES, f1_of_weights, read_table
from pipelines.watch.reading.features import features
from pipelines.watch.reading.spot import spot

SEED = 1


def candidates() -> tuple[list[dict[str, int]], list[bool]]:
    """Features of every candidate in the corpus, and whether it is meant."""
    rows, meant = [], []
    for sentence in read_table(CORPUS):
        spotted, due = spot(sentence.text), [heard.task for heard in sentence.heard]
        for candidate in spotted.candidates:
            rows.append(dict.fromkeys(features(spotted, candidate, sentence.who), 1))
            meant.append(candidate.task in due)
            if meant[-1]:
                due.remove(candidate.task)
    return rows, meant


def fit(rows: list[dict[str, int]], meant: list[bool]) -> tuple[float, dict[str, float]]:
    """The bias and the weights of a logistic regression."""
    # TODO: sklearn.feature_extraction.DictVectorizer (sparse=False: liblinear refuses its sparse
    # matrices) and sklearn.linear_model.LogisticRegression (C=0.5, solver="liblinear",
    # random_state=SEED). As it is, every candidate counts as meant.
    return 5.0, {}


def main() -> None:
    """Trains on the corpus, and is judged by the sentences that were written by hand."""
    bias, weights = fit(*candidates())
    table = {"bias": bias, "threshold": 0.5, "weights": weights}
    Path("weights.json").write_text(json.dumps(table, indent=0) + "\n", encoding="utf-8")
    rows = read_table(SENTENCES)
    print(f"{len(weights)} weights; F1 {f1_of_weights(Path('weights.json'), rows):.3f}")


if __name__ == "__main__":
    main()
