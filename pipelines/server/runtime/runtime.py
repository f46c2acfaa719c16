"""`Runtime`: what a server does beside its conversations, as its options say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.server.runtime.conduct import Conduct
from pipelines.server.runtime.remote import RemoteBackend
from pipelines.server.session.backend import Backend
from pipelines.server.skills.registry import Registry
from pipelines.spec import PipelineSpec


def is_address(name: str) -> bool:
    """Whether a link of a chain is a remote line, and no preset's name."""
    return name.startswith(("ws://", "wss://"))


@dataclass(frozen=True, slots=True)
class Runtime:
    """Skills, policy, and the chain of agents."""

    conduct: Conduct = field(default_factory=Conduct)
    fallback: Sequence[str] = ()
    """Presets and remote lines that a conversation goes on with, in their order."""
    spare: Sequence[PipelineSpec] = ()
    """Presets of ``fallback`` that nobody can ask for: they are loaded too."""
    registry: Registry | None = None
    """Skills; None: there are none."""
    budget_tokens: Mapping[str, int] = field(default_factory=dict)
    """Name → tokens that it may use in one conversation."""
    connect: Callable[[str], Backend] = RemoteBackend
    """Makes the agent at an address."""

    @property
    def conducts(self) -> bool:
        """Whether anything is to be done beside a conversation."""
        asks = self.conduct.late_s or self.conduct.greeting or self.budget_tokens
        return bool(self.fallback or self.registry is not None or asks)
