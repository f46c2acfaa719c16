"""How conversations are conducted: what the options of a server come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.server.runtime.policy import Policy


@dataclass(frozen=True, slots=True)
class Conduct:
    """How one conversation is conducted."""

    policy: Policy = field(default_factory=Policy)
    late_s: float = 0.0
    """Longest time without a sound where one is owed, s; 0: any."""
    sentence: str = "Sorry, one moment please."
    """What the next agent says when it goes on; empty: nothing."""
    context_tokens: int = 1_000
    """Most of the conversation so far that the next agent is told, in tokens."""
    fillers: Sequence[str] = ("Let me see.", "One moment.")
    """Said in turn while a skill is at work; none: nothing."""
    filler_ms: float = 300.0
    """Time that a skill is waited for before a filler is said."""
    greeting: str = ""
    """What the agent says first; empty: nothing."""
