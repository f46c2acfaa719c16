"""The best candidates of one user's memory for an utterance, by FTS5's BM25, in bounded time.

The text of an utterance never reaches SQLite's query language: its words do, one by one, quoted.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.server.memory.disk.database import COLUMNS, remembered
from pipelines.server.memory.disk.record import Remembered
from pipelines.server.memory.finding.words import Stems, content_words

COMMON = 1_000
"""Memories with a word from which on it is too common to be searched for alone."""
LARGEST = 2_000
"""Memories that a search ranks at most, roughly."""
POOL = 120
"""Best ones of which the important are taken."""
AS_IF = 200
"""Memories without any of the words that are counted beside the real ones: in a memory of three
sentences a word is no less telling than in one of three hundred."""


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate, with what is known of its likeness to the utterance."""

    memory: Remembered
    bm25: float
    """FTS5's, as a positive number: the larger the better."""
    covered: float
    """Weight of the utterance's words that the memory has, of all its words' weight."""
    shared: int
    """Number of words that both have."""
    weight: float
    """Weight of the rarest word that both have, 0–1: 1 is a word that no memory has."""
    cosine: float | None = None
    """Likeness of the embeddings; None: there are none."""


def search(
    connection: sqlite3.Connection,
    stems: Stems,
    text: str,
    *,
    candidates: int,
    least_importance: float,
    not_of: str,
    also: Sequence[tuple[int, float]] = (),
) -> list[Found]:
    """The best candidates for an utterance, the best first.

    Args:
        connection: To the user's database.
        stems: The tokenizer.
        text: The utterance.
        candidates: Number of them at most.
        least_importance: What is less important is passed over.
        not_of: Id of a conversation whose own words are passed over.
        also: (number, cosine) of memories that are near by their embeddings.

    Raises:
        sqlite3.Error: the database can't be read.
    """
    words = content_words(text)
    (newest,) = connection.execute("SELECT coalesce(max(number), 0) FROM memories").fetchone()
    often = {word: _frequency(connection, word) for word in words}
    most = math.log(newest + AS_IF + 1)
    weights = {word: 1 - math.log(often[word] + 1) / most for word in words}
    ranked = dict(_ranked(connection, words, often))
    cosines = dict(also)
    numbers = [*list(ranked)[:POOL], *(n for n in cosines if n not in ranked)]
    rows = _rows(connection, numbers, least_importance, not_of)
    best = sorted(
        rows, key=lambda row: (-ranked.get(row.number, 0.0), -cosines.get(row.number, 0.0))
    )
    taken = best[:candidates] + [row for row in best[candidates:] if row.number in cosines]
    return _compared(stems, words, weights, taken, ranked, cosines)


def _frequency(connection: sqlite3.Connection, word: str) -> int:
    """Memories with a word; not counted beyond `COMMON`."""
    (count,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)",
        (_quoted(word), COMMON),
    ).fetchone()
    return int(count)


def _ranked(
    connection: sqlite3.Connection, words: Sequence[str], often: dict[str, int]
) -> list[tuple[int, float]]:
    """(number, BM25) of the best, the best first.

    The rarest words are looked for anywhere; common ones only together, or among the newest.
    """
    rare: list[str] = []
    for word in sorted(words, key=lambda word: often[word]):
        if 0 < often[word] < COMMON and sum(often[w] for w in rare) + often[word] <= LARGEST:
            rare.append(word)
    found: dict[int, float] = {}
    if rare:
        found = _matching(connection, " OR ".join(map(_quoted, rare)))
    common = [word for word in words if often[word] and word not in rare]
    if common and len(found) < POOL:
        more = _matching(connection, " AND ".join(map(_quoted, common)))
        if not more and len(common) > 1:
            more = _matching(connection, " OR ".join(map(_quoted, common)))
        found = more | found
    return sorted(found.items(), key=lambda pair: -pair[1])


def _matching(connection: sqlite3.Connection, query: str) -> dict[int, float]:
    """Number → BM25 of what matches, among the newest `LARGEST`."""
    rows = connection.execute(
        "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?",
        (query, LARGEST),
    )
    return {int(number): float(score) for number, score in rows}


def _rows(
    connection: sqlite3.Connection, numbers: Sequence[int], least_importance: float, not_of: str
) -> list[Remembered]:
    holes = ",".join("?" * len(numbers))
    found = connection.execute(
        f"SELECT {COLUMNS} FROM memories WHERE number IN ({holes}) AND importance >= ? "
        "AND conversation <> ? AND source <> 'agent'",
        (*numbers, least_importance, not_of),
    )
    return [remembered(row) for row in found]


def _compared(
    stems: Stems,
    words: Sequence[str],
    weights: dict[str, float],
    taken: Sequence[Remembered],
    ranked: dict[int, float],
    cosines: dict[int, float],
) -> list[Found]:
    of = stems.of([*words, *(row.text for row in taken)])
    own = {word: stem[0] for word, stem in zip(words, of, strict=False) if stem}
    whole = sum(weights[word] for word in own)
    found = []
    for row, theirs in zip(taken, of[len(words) :], strict=True):
        both = [word for word, stem in own.items() if stem in theirs]
        found.append(
            Found(
                row,
                bm25=ranked.get(row.number, 0.0),
                covered=sum(weights[word] for word in both) / whole if whole else 0.0,
                shared=len(both),
                weight=max((weights[word] for word in both), default=0.0),
                cosine=cosines.get(row.number),
            )
        )
    return found


def _quoted(word: str) -> str:
    """A word as a string of FTS5's query language, in which no operator is one."""
    return '"' + word.replace('"', '""') + '"'
