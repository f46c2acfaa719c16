"""Patterns → candidates: each task that a sentence might mean, with the things that it names. Pure.

A pronoun stands for what the sentence named before it, and "there" for the place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelines.watch.reading.patterns import (
    DETERMINERS,
    PRONOUNS,
    RELATIONS,
    cancel_patterns,
    task_patterns,
)
from pipelines.watch.reading.words import words

_RELATION = dict(RELATIONS)
_GIVEN = rf"(?:{'|'.join(DETERMINERS)})"
_NAMED = re.compile(
    rf"(?:(?P<r>{'|'.join(r for r, _ in RELATIONS)}) )?(?:the|a|an|my|your|our|that|some) "
    r"(?P<n>(?:(?!(?:is|are|was|on|in|to|can|could|please|should|so|and|under|for|at|off)\b)"
    r"[a-z]+ ?){1,3}(?:of [a-z]+)?)"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible task."""

    task: str
    """One of the tasks of `pipelines.watch.task.TASK_NAMES`."""
    start: int
    """Index of its first word in the sentence."""
    end: int
    """One past its last."""
    object: str | None = None
    """The thing, without its article; None: the task has none, or it was not named."""
    relation: str | None = None
    """Relation to the place: on, under, next to, …"""
    place: str | None = None
    """The place, without its article."""


@dataclass(frozen=True, slots=True)
class Spotted:
    """A sentence with its candidates."""

    words: list[str]
    candidates: list[Candidate]
    """The candidates, in the order of their words; none overlaps another."""
    cancel_at: int | None
    """Word at which something is cancelled; None: nothing is."""


def spot(sentence: str, before: str | None = None) -> Spotted:
    """Searches a sentence.

    Args:
        sentence: The sentence as it was said.
        before: The thing mentioned last, which "it" may mean.
    """
    said = words(sentence)
    plain = [w for w in said if w != "?"]
    text = " ".join(plain)
    found: list[Candidate] = []
    taken: list[tuple[int, int]] = []
    for task, pattern in task_patterns():
        for match in pattern.finditer(text):
            span = (text[: match.start()].count(" "), text[: match.end()].count(" ") + 1)
            if any(start < span[1] and span[0] < end for start, end in taken):
                continue
            taken.append(span)
            found.append(_candidate(task, match, span, text))
    found.sort(key=lambda candidate: candidate.start)
    return Spotted(said, _without_pronouns(found, text, before), _cancel_at(text))


def _candidate(task: str, match: re.Match[str], span: tuple[int, int], text: str) -> Candidate:
    groups = match.groupdict()
    thing, relation, place = groups.get("o"), groups.get("r"), groups.get("p")
    if task == "gesture" and thing is not None:
        thing = _base(thing)
    if place in ("there", "here"):
        relation, place = _place_before(text[: match.start()], place)
    return Candidate(
        task,
        *span,
        object=_bare(thing),
        relation=_RELATION.get(relation or "") if task == "put" else None,
        place=_bare(place) if task in ("put", "go_to") else None,
    )


def _bare(name: str | None) -> str | None:
    """The text without its articles."""
    if name is None:
        return None
    if name in PRONOUNS:
        return name
    return re.sub(rf"^(?:{_GIVEN} )+", "", name)


def _base(gesture: str) -> str:
    for ending in ("ning", "ting", "ding", "ing"):
        if gesture.endswith(ending) and gesture not in ("ing",):
            stem = gesture[: -len(ending)]
            return stem + "e" if stem in ("danc", "wav") else stem
    return gesture


def _place_before(text: str, word: str) -> tuple[str | None, str | None]:
    """The place that "there" means: the last one that was named with a relation."""
    named = [m for m in _NAMED.finditer(text) if m["r"]]
    if word == "there" and named:
        return named[-1]["r"], named[-1]["n"].strip()
    return None, word


def _without_pronouns(found: list[Candidate], text: str, before: str | None) -> list[Candidate]:
    """Replaces each "it" by the thing named before it: by an earlier task, by the sentence, or
    earlier.
    """
    resolved: list[Candidate] = []
    for candidate in found:
        if candidate.object in PRONOUNS:
            earlier = [c.object for c in resolved if c.object and c.task != "gesture"]
            left = " ".join(text.split(" ")[: candidate.start])
            named = [m["n"].strip() for m in _NAMED.finditer(left) if not m["r"]]
            meant = (earlier[-1:] or named[-1:] or [before])[0] or candidate.object
            candidate = Candidate(
                candidate.task,
                candidate.start,
                candidate.end,
                meant,
                candidate.relation,
                candidate.place,
            )
        resolved.append(candidate)
    return resolved


def _cancel_at(text: str) -> int | None:
    starts = [m.start() for pattern in cancel_patterns() if (m := pattern.search(text))]
    return text[: max(starts)].count(" ") if starts else None
