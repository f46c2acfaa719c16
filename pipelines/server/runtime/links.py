"""The links of a fallback chain: agents that a conversation can go on with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pipelines.server.session.backend import Backend


@dataclass(slots=True)
class Opened:
    """An agent that is ready to be started."""

    name: str
    """Of the preset, or of the remote line."""
    backend: Backend
    release: Callable[[], None] = lambda: None
    """Gives its seat back; called once."""
    budget_tokens: int = 0
    """Tokens that it may use in one conversation; 0: any number."""


@dataclass(frozen=True, slots=True)
class Link:
    """One further agent of a chain."""

    name: str
    open: Callable[[], Awaitable[Opened]]
    """Takes a seat for it.

    Raises:
        LabError: there is none; one sentence.
    """
