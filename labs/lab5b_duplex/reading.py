"""Lab 5b's sentences: the corpus for training, the hand-written ones for judging, and F1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipelines.watch.reading.judge import Judge, load_judge
from pipelines.watch.reading.reader import Reader
from pipelines.watch.score import Labelled, read_sentences

HERE = Path(__file__).parent
CORPUS = HERE / "corpus.tsv"
"""Drawn from templates: python -m training.intent_watcher.corpus."""
SENTENCES = HERE / "sentences.tsv"
"""Written by hand before anything was trained, and never used for training."""


def read_table(path: Path) -> list[Labelled]:
    """The sentences of a table: who, expected calls, text."""
    return read_sentences(path)


def f1(rows: Sequence[Labelled], said: Sequence[Sequence[str]]) -> float:
    """2 · right / (found + labelled), over the names of tasks."""
    right = found = labelled = 0
    for row, tasks in zip(rows, said, strict=True):
        wanted = Counter(heard.task for heard in row.heard)
        right += sum((Counter(tasks) & wanted).values())
        found, labelled = found + len(tasks), labelled + len(row.heard)
    return 2 * right / (found + labelled) if found + labelled else 0.0


def f1_of_weights(path: Path, rows: Sequence[Labelled]) -> float:
    """F1 of the watcher's patterns with a classifier's weights.

    Raises:
        WatchError: the file can't be read.
    """
    judge: Judge = load_judge(path)
    return f1(rows, [[h.task for h in Reader(judge).read(row.text, row.who)] for row in rows])
