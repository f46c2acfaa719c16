"""How good retrieval is on the labelled set: recall at 3, wrong injections, calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipelines.server.memory.finding.relevance import Relevance
from pipelines.server.memory.finding.search import Found, search
from pipelines.server.memory.finding.words import Stems
from pipelines.server.memory.importance import importance
from pipelines.server.memory.options import MemoryOptions
from training.memory.people import Asked, Person, also_relevant, beside, memory_of

BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.85, 1.0)
"""Borders of the classes of relevance in which it is compared with the share of the relevant."""
Cosines = Callable[[str, Sequence[str]], Sequence[float]]
"""(text, others) → likeness of its embedding to each of theirs."""


@dataclass(frozen=True, slots=True)
class Case:
    """One later sentence and what a search brought for it."""

    asked: Asked
    found: tuple[Found, ...]
    """Candidates, as in a conversation: those that are important enough."""
    first: int
    """Number of the person's first sentence in the memory."""
    also: frozenset[str]
    """Facts beside them that are relevant too."""

    def relevant(self, found: Found) -> bool:
        """Whether the label says so."""
        own = found.memory.number - self.first in self.asked.relevant
        return own or found.memory.text in self.also

    @property
    def number_relevant(self) -> int:
        """Memories that are relevant."""
        return len(self.asked.relevant) + len(self.also)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was counted."""

    sentences: int
    silent: int
    """Later sentences to which nothing is relevant."""
    relevant: int
    """Relevant memories, over all sentences."""
    in_candidates: int
    """Of those, how many are among the candidates."""
    in_three: int
    """…and among the three most relevant."""
    injected: int
    """Memories above both thresholds, three a sentence at most."""
    right: int
    """Of those, the relevant."""
    disturbed: int
    """Of the `silent` sentences, those that got one."""
    bins: tuple[tuple[float, float, int, float], ...]
    """(from, to, candidates, share of them that is relevant) by relevance."""
    kept_right: int
    kept: int
    worth: int
    """Sentences above the threshold of importance that are worth it; all above; all worth it."""


def cases(people: Sequence[Person], cosines: Cosines | None = None) -> list[Case]:
    """Searches for every later sentence of some people.

    Args:
        people: Of the set.
        cosines: Embeddings, if there are any: all of a memory's sentences are compared.
    """
    stems, options, found = Stems(), MemoryOptions(), []
    for person in people:
        texts = [*beside(person), *person.said]
        with memory_of(person) as connection:
            for asked in person.asked:
                near: list[tuple[int, float]] = []
                if cosines is not None:
                    scores = enumerate(cosines(asked.text, texts), 1)
                    near = sorted(scores, key=lambda pair: -pair[1])[: options.candidates]
                got = search(
                    connection,
                    stems,
                    asked.text,
                    candidates=options.candidates,
                    least_importance=options.importance,
                    not_of="now",
                    also=near,
                )
                also = also_relevant(person, asked)
                found.append(Case(asked, tuple(got), len(beside(person)) + 1, also))
    return found


def judge(people: Sequence[Person], of: Sequence[Case], relevance: Relevance) -> Verdict:
    """Counts what a calibration does with the candidates."""
    options = MemoryOptions()
    relevant = in_candidates = in_three = injected = right = disturbed = 0
    scored: list[tuple[float, bool]] = []
    for case in of:
        by = sorted(case.found, key=lambda one: -relevance.of(one))
        scored += [(relevance.of(one), case.relevant(one)) for one in by]
        relevant += case.number_relevant
        in_candidates += sum(map(case.relevant, by))
        in_three += sum(map(case.relevant, by[:3]))
        important = [one for one in by if one.memory.importance >= options.importance]
        above = [one for one in important if relevance.of(one) >= options.relevance]
        above = above[: options.most_injected]
        injected += len(above)
        right += sum(map(case.relevant, above))
        disturbed += bool(above and not case.number_relevant)
    bins = tuple(
        (low, high, len(within), sum(within) / len(within) if within else float("nan"))
        for low, high in pairwise(BINS)
        for within in [[y for p, y in scored if low <= p < high or p == high == 1.0]]
    )
    keep = [
        (importance(s) >= options.importance, k in p.keep)
        for p in people
        for k, s in enumerate(p.said)
    ]
    return Verdict(
        len(of), sum(not case.number_relevant for case in of), relevant, in_candidates, in_three,
        injected, right, disturbed, bins,
        sum(a and b for a, b in keep), sum(a for a, _ in keep), sum(b for _, b in keep),
    )  # fmt: skip
