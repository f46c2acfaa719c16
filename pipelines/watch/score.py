"""How well the watcher reads: precision, recall and F1 of tasks, and the slots of those found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.watch.reading.judge import Judge
from pipelines.watch.reading.reader import Heard, Reader

_CALL = re.compile(r"(\w+)(?:\(([^)]*)\))?")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sentence with the expected calls."""

    who: str
    text: str
    heard: tuple[Heard, ...]
    """Expected calls; empty: none."""


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over a set of sentences."""

    sentences: int
    right: int
    """Number of tasks found that are labelled, of the same name."""
    found: int
    labelled: int
    slots_right: int
    """Number of those whose slots are all right, word for word."""
    exact: int
    """Number of sentences that are entirely right, slots aside."""
    wrong: tuple[str, ...]
    """The other sentences, one line each."""

    @property
    def precision(self) -> float:
        """Labelled share of the tasks found; 0 if none was found."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Found share of the labelled tasks."""
        return self.right / self.labelled if self.labelled else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        both = self.found + self.labelled
        return 2 * self.right / both if both else 0.0


def read_sentences(path: Path) -> list[Labelled]:
    """Reads a table of hand-written sentences: who, calls, text."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(("#", "who\t")) or not line.strip():
            continue
        who, calls, text = line.split("\t")
        heard = () if calls == "-" else tuple(_heard(call) for call in calls.split(";"))
        rows.append(Labelled(who, text, heard))
    return rows


def score(rows: Sequence[Labelled], judge: Judge | None) -> Score:
    """Reads each sentence by itself."""
    right = found = labelled = slots_right = exact = 0
    wrong = []
    for row in rows:
        heard = Reader(judge).read(row.text, row.who)
        same = Counter(h.task for h in heard) & Counter(h.task for h in row.heard)
        hits = sum(same.values())
        right, found, labelled = right + hits, found + len(heard), labelled + len(row.heard)
        slots_right += sum((Counter(map(_key, heard)) & Counter(map(_key, row.heard))).values())
        if hits == len(heard) == len(row.heard):
            exact += 1
        else:
            said = ", ".join(h.task for h in heard) or "-"
            meant = ", ".join(h.task for h in row.heard) or "-"
            wrong.append(f"{row.who}: {row.text!r}: {said} (right: {meant})")
    return Score(len(rows), right, found, labelled, slots_right, exact, tuple(wrong))


def _key(heard: Heard) -> tuple[str, str]:
    return heard.task, str(sorted(heard.slots.items()))


def _heard(call: str) -> Heard:
    found = _CALL.fullmatch(call.strip())
    if found is None:
        raise ValueError(f"{call!r} is no call")
    slots = dict(part.strip().split("=") for part in (found[2] or "").split(",") if part.strip())
    return Heard(found[1], **slots)
