"""What is kept of a conversation, and what comes back of it: one frozen record each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST = 2_000
"""Characters of one utterance that are kept."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something that was said, on its way into the memory."""

    conversation: str
    """Id of the conversation, unique over all servers."""
    said_s: float
    """When, s since 1970."""
    source: str
    """Who said it: ``user`` or ``agent``; or ``listener``, a user overheard by a recogniser."""
    text: str
    importance: float
    """0–1."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """An utterance of an earlier time."""

    number: int
    """Its id in the user's memory."""
    conversation: str
    said_s: float
    source: str
    text: str
    importance: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory that may fit what is being said."""

    memory: Remembered
    relevance: float
    """0–1: share of candidates with this score that a person would call relevant."""


def iso(said_s: float) -> str:
    """A time as ISO 8601, UTC."""
    return datetime.fromtimestamp(said_s, UTC).isoformat(timespec="seconds")
