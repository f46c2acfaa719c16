"""How important an utterance is, 0–1: rows of patterns, because whoever asks is in a hurry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipelines.guards.texts import parse_toml
from pipelines.spec import read_options

ROWS = Path(__file__).parent / "importance.toml"
ORDINARY = 0.4
"""Importance of an utterance of which no row says more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of utterance."""

    name: str
    pattern: str
    at_least: float = 0.0
    at_most: float = 1.0


def importance(text: str) -> float:
    """Importance of something that the user said."""
    found = [row for row, pattern in _rows() if pattern.search(text)]
    least = max((row.at_least for row in found if row.at_least), default=ORDINARY)
    return min([least, *(row.at_most for row in found)])


@cache
def _rows() -> list[tuple[Row, re.Pattern[str]]]:
    table = parse_toml(ROWS.read_bytes())
    rows = [read_options(Row, row, f"{ROWS.name} {i}") for i, row in enumerate(table["row"], 1)]
    return [(row, re.compile(row.pattern, re.IGNORECASE)) for row in rows]
