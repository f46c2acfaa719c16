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

DRAWN = 25_000
"""Distinct sentences."""
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


def likely_pauses(words: Sequence[str]) -> list[float]:
    """Probability that a pause is after word 1, 2, … len − 1: between clauses most, before a place
    more than elsewhere.
    """
    weights = [
        5.0 if word in _BEFORE_CLAUSE else 2.0 if word in _BEFORE_PLACE else 1.0
        for word in words[1:]
    ]
    return [weight / sum(weights) for weight in weights]
