"""Text → words: lower case, contractions written out, a question mark kept as a word. Pure."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

CONTRACTIONS: tuple[tuple[str, str], ...] = (
    ("let's", "let us"),
    ("won't", "will not"),
    ("can't", "can not"),
    ("cannot", "can not"),
    ("shan't", "shall not"),
    ("n't", " not"),
    ("i'm", "i am"),
    ("'re", " are"),
    ("'ll", " will"),
    ("'ve", " have"),
    ("'d", " would"),
    ("it's", "it is"),
    ("that's", "that is"),
    ("there's", "there is"),
    ("what's", "what is"),
    ("where's", "where is"),
    ("he's", "he is"),
    ("she's", "she is"),
    ("gonna", "going to"),
    ("wanna", "want to"),
    ("gimme", "give me"),
)
"""Rows are tried in their order."""

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|\?")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")


@cache
def lexicon() -> dict[str, list[str]]:
    """The word lists of lexicon.toml."""
    text = (Path(__file__).parent / "lexicon.toml").read_text(encoding="utf-8")
    return {name: words.split() for name, words in tomllib.loads(text).items()}


def sentences(text: str) -> list[str]:
    """A phrase's sentences; a recogniser's text, without punctuation, is one."""
    return [part for part in _SENTENCE.split(text.strip()) if part]


def words(text: str) -> list[str]:
    """The words of one sentence."""
    text = text.lower().replace("’", "'").replace("all right", "alright")
    for short, long in CONTRACTIONS:
        text = text.replace(short, long)
    return _WORD.findall(text)
