"""One trial with all evidence about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.store import store
from bench.store.recording import Stereo
from bench.store.records import Trial
from pipelines.clock import ns_to_samples
from pipelines.marks import Mark


@dataclass(frozen=True, slots=True)
class Evidence:
    """One trial: its row, its marks, its recording."""

    run: store.Run
    trial: Trial
    marks: Sequence[Mark]
    recording: Stereo | None

    def all(self, stage: str, event: str) -> list[Mark]:
        """The marks of one event."""
        return [m for m in self.marks if (m.stage, m.event) == (stage, event)]

    def sample(self, t_ns: int) -> int:
        """The sample of the recording at a time."""
        return ns_to_samples(t_ns - self.trial.t0_ns, self.trial.rate_hz)
