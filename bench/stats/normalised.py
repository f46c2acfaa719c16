"""A text's words in one spelling, so that "7:30" is no error where "seven thirty" was said.

English is normalised as the field does it, by Whisper's rules (numbers, ordinals, percent, money,
contractions, British spelling), from whisper-normalizer: MIT, a release a few months old, pure
Python with its word lists, no model; its dependencies are wheels of 7 MB in all. `BEFORE` and the
joining of numbers stand for what these rules miss: times, "okay", telephone numbers in groups.
Texts in other scripts are compared by their words alone.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable
from functools import lru_cache
from itertools import groupby

from bench.store.words import words

BEFORE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"[’‘]", "'"),
        (r"\bokay\b|\bo\.? ?k\b\.?", "ok"),
        (r"\ball right\b", "alright"),
        (r"\bcannot\b", "can not"),
        (r"\bper cent\b", "percent"),
        (r"(?<![\w:])(\d{1,2}):00(?![\w:])", r"\1"),
        (r"(?<![\w:])(\d{1,2}):(\d\d)(?![\w:])", r"\1\2"),
        (r"\bo' ?clock\b", ""),
        (r"(?<=\d)(?=[ap]\.?m\b)", " "),
        (r"\b([ap])\.? ?m\b\.?", r"\1m"),
        (r"\ba (?=(?:hundred|thousand|million)\b)", "one "),
        (r"(?<=\d) (?=%)", ""),
        (r"(?<![\w.)-])[-−](?=\d)", "minus "),
    ]
)
"""What is replaced in a lower-case text before Whisper's rules, in this order."""
LONGEST = 10_000
"""Characters of a text, at most, that Whisper's rules are given: of brackets alone they need the
square of that."""


def normalised_words(*texts: str) -> list[list[str]]:
    """Finds the words of texts that are compared with each other.

    All are read as English where all are in Latin script and no longer than `LONGEST`, none
    otherwise. A text of which nothing would be left ("uh", "mhm") keeps all texts as they are.
    """
    plain = [words(text) for text in texts]
    if max(map(len, texts), default=0) > LONGEST or not all(map(_is_latin, texts)):
        return plain
    found = [_english(text) for text in texts]
    lost = any(before and not after for before, after in zip(plain, found, strict=True))
    return plain if lost else found


def _is_latin(text: str) -> bool:
    return all(
        unicodedata.name(letter, "").startswith(("LATIN", "FULLWIDTH LATIN"))
        for letter in unicodedata.normalize("NFKC", text)
        if letter.isalpha() and not letter.isascii()
    )


@lru_cache(maxsize=4096)
def _spelt(text: str) -> tuple[str, ...]:
    text = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    for pattern, replacement in BEFORE:
        text = pattern.sub(replacement, text)
    rules = _rules()
    try:
        found = rules(text)
    except Exception:  # on odd numbers (thousands of digits, lone fractions) the rules give up
        return tuple(words(text))
    return tuple(word for word in found.split() if any(map(str.isalnum, word)))


def _english(text: str) -> list[str]:
    """The text's words by Whisper's rules; numbers beside each other are one."""
    joined: list[str] = []
    for is_number, group in groupby(_spelt(text), lambda word: word.isdecimal() or word == "one"):
        run = list(group)
        joined += [_joined(run)] if is_number and run != ["one"] else run
    return joined


def _joined(numbers: list[str]) -> str:
    """One number of several; Whisper's rules leave "one" as a word."""
    digits = "".join("1" if number == "one" else number for number in numbers)
    return digits.lstrip("0") or "0"


@lru_cache(maxsize=1)
def _rules() -> Callable[[str], str]:
    with warnings.catch_warnings():  # its first import complains of an escape in its own text
        warnings.simplefilter("ignore")
        from whisper_normalizer.english import EnglishTextNormalizer  # reads its word lists

    rules: Callable[[str], str] = EnglishTextNormalizer()
    return rules
