"""A skill: a function that an agent may call, with the schema of its arguments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.errors import LabError

BUDGET_MS = 500.0
"""Time within which a call is answered, ms: by its result, or by the word that it is late."""

Run = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Arguments, which fit the schema → the result, as JSON can carry it."""


class SkillError(LabError):
    """A skill can't do what it was asked; one sentence, for the agent and for the record."""


def in_words(result: Any) -> str:
    """A result as the agent may say it: its ``say``, or a text as it is; empty: nothing."""
    if isinstance(result, Mapping):
        return str(result.get("say", ""))
    return result if isinstance(result, str) else ""


@dataclass(frozen=True, slots=True)
class Skill:
    """One function."""

    name: str
    """Name by which it is called."""
    description: str
    """What it does, for the language model that chooses it."""
    parameters: Mapping[str, Any]
    """JSON Schema of its arguments, an object."""
    run: Run
    """Does it; an error is a `SkillError`."""
    budget_ms: float = BUDGET_MS
    said: Callable[[Any], str] = in_words
    """Result → a few words that the agent may say; empty: none."""
