"""`Runtime`: what a server does beside its conversations, as its options say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.server.runtime.conduct import Conduct
from pipelines.server.runtime.levels import LEVELS, order
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
    level: int = LEVELS[-1].number
    """The hardware's level."""
    needs_gb: Mapping[str, float] = field(default_factory=dict)
    """Preset → memory of its largest model, GB."""
    connect: Callable[[str], Backend] = RemoteBackend
    """Makes the agent at an address."""

    def order(self, name: str) -> list[str]:
        """The agents of a conversation with a preset, the one that begins first."""
        lines = [one for one in self.fallback if is_address(one)]
        return order(name, self.needs_gb.get(name, 0.0), self.level, self.fallback, lines)

    @property
    def conducts(self) -> bool:
        """Whether anything is to be done beside a conversation."""
        asks = self.conduct.late_s or self.conduct.greeting or self.budget_tokens
        return bool(self.fallback or self.registry is not None or asks)
