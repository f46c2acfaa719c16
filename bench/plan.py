"""What a run will do: which trials, in which order, how long, and what its n can bear out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.fixtures import Fixture
from pipelines.spec import PipelineSpec

ANSWER_S = 4.0
"""A guess for a plan: the agent's answer and the silence after it."""
OVERHEAD_S = 1.5
"""A guess for a plan: opening and closing one trial."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One trial to be played."""

    spec: PipelineSpec
    fixture: Fixture
    repeat: int
    """Number of the repetition; of a warm-up, the session's number, both from 0."""
    warmup: bool = False

    @property
    def trial_id(self) -> str:
        """Unique within the run."""
        last = f"warmup{self.repeat}" if self.warmup else str(self.repeat)
        return f"{self.spec.name}.{self.fixture.name}.{last}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before it begins."""

    specs: tuple[PipelineSpec, ...]
    fixtures: tuple[Fixture, ...]
    repeats: int

    def warmups(self, session: int = 1) -> list[Planned]:
        """One conversation for each preset; kept, and left out of every figure.

        Args:
            session: 1, and one more each time the run is gone on with: its agents are cold again.
        """
        shortest = min(self.fixtures, key=lambda f: f.duration_s)
        return [Planned(spec, shortest, session - 1, warmup=True) for spec in self.specs]

    @property
    def trials(self) -> list[Planned]:
        """Presets are interleaved, and who goes first alternates: drift hits all alike."""
        order: list[Planned] = []
        for repeat in range(self.repeats):
            for i, fixture in enumerate(self.fixtures):
                turn = (repeat + i) % len(self.specs)
                specs = self.specs[turn:] + self.specs[:turn]
                order += [Planned(spec, fixture, repeat) for spec in specs]
        return order

    @property
    def turns_per_preset(self) -> int:
        """Distinct turns that each preset answers; a repeat of one is no independent figure."""
        return sum(len(f.turns) for f in self.fixtures)

    @property
    def audio_s(self) -> float:
        """Seconds of user audio to be spoken, warm-ups left out."""
        return self.repeats * len(self.specs) * sum(f.duration_s for f in self.fixtures)

    def seconds(self, trials: Sequence[Planned] | None = None) -> float:
        """How long the trials will take, roughly."""
        todo = self.warmups() + self.trials if trials is None else trials
        return sum(
            t.fixture.duration_s + ANSWER_S * len(t.fixture.turns) + OVERHEAD_S for t in todo
        )

    def identity(self) -> dict[str, Any]:
        """What must be the same when the run is resumed: presets whole, fixtures by checksum."""
        return {
            "presets": {spec.name: spec.toml for spec in self.specs},
            "fixtures": {f.name: f.sha256 for f in self.fixtures},
            "repeats": self.repeats,
        }
