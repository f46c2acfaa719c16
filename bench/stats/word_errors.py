"""What was said: word errors of the recogniser."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from bench.stats.normalised import normalised_words
from bench.store.words import words


@dataclass(frozen=True, slots=True)
class WordErrors:
    """How a transcript differs from what was said."""

    errors: int
    """Substitutions, deletions and insertions of the best alignment."""
    words: int
    """Words that were said."""

    @property
    def rate(self) -> float:
        """Errors per word said; may exceed 1. Of nothing said: 0 or the number of insertions."""
        return self.errors / max(1, self.words)


@lru_cache(maxsize=4096)
def word_errors(said: str, transcript: str) -> WordErrors:
    """Compares two texts by their words, in one spelling of numbers, contractions and the like."""
    return _errors(*normalised_words(said, transcript))


@lru_cache(maxsize=4096)
def raw_word_errors(said: str, transcript: str) -> WordErrors:
    """Compares two texts word by word as they are spelt, without case and punctuation."""
    return _errors(words(said), words(transcript))


def _errors(reference: list[str], heard: list[str]) -> WordErrors:
    if not reference or not heard:
        return WordErrors(max(len(reference), len(heard)), len(reference))
    import jiwer

    alignment = jiwer.process_words(" ".join(reference), " ".join(heard))
    errors = alignment.substitutions + alignment.deletions + alignment.insertions
    return WordErrors(int(errors), len(reference))
