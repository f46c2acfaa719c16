"""Words that carry meaning, and their stems by the very tokenizer of the databases' index."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

MOST_WORDS = 24
"""Words of an utterance that a search takes: the last, for a long turn ends in its question."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_STOP = frozenset((Path(__file__).parent / "common_words.txt").read_text(encoding="utf-8").split())
"""Words without which a sentence's subject is still known."""


def content_words(text: str) -> list[str]:
    """Its words that carry meaning, each once, in lower case, in their order."""
    found = [word.replace("’", "'").lower() for word in _WORD.findall(text)]
    kept = [word for word in found if word not in _STOP and (len(word) > 1 or word.isdigit())]
    return list(dict.fromkeys(kept))[-MOST_WORDS:]


class Stems:
    """Stems by SQLite's own porter tokenizer; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._index = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._index.execute(
            'CREATE VIRTUAL TABLE one USING fts5 (text, tokenize="porter unicode61 '
            'remove_diacritics 2")'
        )
        self._index.execute("CREATE VIRTUAL TABLE stems USING fts5vocab (one, instance)")

    def of(self, texts: Sequence[str]) -> list[list[str]]:
        """The stems of each text's content words, each once."""
        words = [content_words(text) for text in texts]
        flat = list(dict.fromkeys(word for of_one in words for word in of_one))
        with self._lock:
            self._index.execute("BEGIN")
            self._index.executemany("INSERT INTO one (rowid, text) VALUES (?, ?)", enumerate(flat))
            # A word like "o'neill" has two tokens: its first stands for it.
            found = dict(
                self._index.execute("SELECT doc, term FROM stems ORDER BY offset DESC").fetchall()
            )
            self._index.execute("ROLLBACK")
        stem = {word: str(found.get(k, word)) for k, word in enumerate(flat)}
        return [list(dict.fromkeys(stem[word] for word in of_one)) for of_one in words]
