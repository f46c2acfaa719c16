"""What users of the creature say, and where they pause: the language of the end-of-turn model.

Drawn from the creature's own grammar (`training.creature_llm`). No sentence of a fixture is in it;
nor is a part of another sentence that reads like one, or a short command of the fixtures ("stop")
would be known as a beginning only. What the grammar breaks off on purpose is left out: it is whole
for nobody.
"""

from __future__ import annotations

import functools
import random
import tomllib
from collections import Counter
from collections.abc import Sequence

from training.creature_llm.corpus import (
    FLOOR_FILE,
    excluded_sentences,
    normal,
    read_dictionary,
    texts_in,
)
from training.creature_llm.dialogue import draw
from training.creature_llm.language import Language

DRAWN = 250_000
"""Distinct sentences."""
SEVERAL_CLAUSES = 0.25
"""Share of the utterances that ask for several things; the grammar's own is a tenth.

What is a whole command may be the first of several, and only such sentences say so."""
_JOINS = frozenset(["and", "then", "but", "after"])
_LONG = 7
_BROKEN_OFF = ("missing", "unclear")
_BEFORE_CLAUSE = frozenset(
    ["and", "then", "but", "or", "because", "so", "next", "after", "when", "while", "if"]
)
_BEFORE_PLACE = frozenset(
    [
        "to",
        "on",
        "in",
        "under",
        "from",
        "with",
        "into",
        "near",
        "by",
        "beside",
        "behind",
        "at",
        "for",
    ]
)


@functools.cache
def fixtures_sentences() -> frozenset[str]:
    """All that a fixture's user says."""
    floor = tomllib.loads(FLOOR_FILE.read_text(encoding="utf-8"))
    return excluded_sentences() | {normal(text) for text in texts_in(floor)}


@functools.cache
def drawn(n: int = DRAWN) -> Counter[str]:
    """Sentence → how often it was said while ``n`` distinct ones came up."""
    language, found = Language(random.Random("endpointing"), held_out=True), Counter[str]()
    excluded, dictionary = fixtures_sentences(), read_dictionary()
    while len(found) < n:
        for turn in draw(language, misheard=0.0).turns:
            text = normal(turn.user)
            known = all(word in dictionary for word in text.split())
            if text and known and turn.intent not in _BROKEN_OFF and text not in excluded:
                found[text] += 1
    return found


def is_held_out(sentence: str) -> bool:
    """Whether a sentence is for judging: every sixth group of words."""
    return sum(map(ord, sentence)) % 6 == 0


def pause_odds(words: Sequence[str]) -> list[float]:
    """Probability of a pause after word 1, 2, … len − 1: the longer the sentence, the more pauses.

    Between clauses most, before a place more than elsewhere.
    """
    return [
        0.35 if word in _BEFORE_CLAUSE else 0.14 if word in _BEFORE_PLACE else 0.07
        for word in words[1:]
    ]


def has_clauses(sentence: str) -> bool:
    """Whether several things are asked for in one breath."""
    words = sentence.split()
    return len(words) >= _LONG and any(word in _JOINS for word in words[2:])


@functools.cache
def said(n: int = DRAWN) -> dict[str, float]:
    """Sentence → how often users say it: those of several clauses have their share."""
    found = drawn(n)
    several = sum(often for text, often in found.items() if has_clauses(text))
    others = sum(found.values()) - several
    factor = SEVERAL_CLAUSES / (1 - SEVERAL_CLAUSES) * others / several
    return {text: often * (factor if has_clauses(text) else 1) for text, often in found.items()}
