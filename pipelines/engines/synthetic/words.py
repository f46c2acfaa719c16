"""The words of models with random weights: syllables that a synthesiser can read. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

_CONSONANTS = "bdfgklmnprstvz"
_VOWELS = "aeiou"
SYNTHETIC_KEY = "duplex_lab.synthetic"
"""Key in the files of models made here, so that nobody takes them for trained ones."""
SYNTHETIC_FILE = "synthetic.json"
"""File beside models made here whose own files have no place for that key."""
SPACE = "Ġ"
"""Space before a word, as byte-level tokenizers write it."""


def byte_alphabet() -> list[str]:
    """The 256 characters by which byte-level tokenizers write bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(extra)) for b in range(256)]


def words() -> Iterator[str]:
    """Made-up words of two syllables, then of three: 347,900 in all, none twice."""
    syllables = [c + v for c, v in itertools.product(_CONSONANTS, _VOWELS)]
    for count in (2, 3):
        yield from map("".join, itertools.product(syllables, repeat=count))


def word_tokens(count: int) -> list[str]:
    """The given number of tokens, each a word with its space."""
    return [SPACE + word for word in itertools.islice(words(), count)]


def marked_beside(path: Path) -> bool:
    """True if `SYNTHETIC_FILE` lies in a model's folder, or beside its file."""
    return ((path if path.is_dir() else path.parent) / SYNTHETIC_FILE).is_file()
