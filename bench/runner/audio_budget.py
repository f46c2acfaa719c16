"""The audio that a run may exchange with its agents: a paid one is billed by the minute.

Both ways count: what the user's side sends, its silence too, and what the agent sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.runner.plan import Planned, audio_of
from bench.store.records import Trial
from pipelines.errors import LabError
from pipelines.marks import Mark


class AudioSpentError(LabError):
    """The next trial would exceed the audio that the run may exchange; what was played is kept."""

    exit_code = 3


def exchanged_s(trial: Trial, marks: Iterable[Mark]) -> float:
    """Audio that a trial exchanged with its agent, s.

    Args:
        trial: Its row.
        marks: Its marks.
    """
    samples = sum(m.value or 0.0 for m in marks if (m.stage, m.event) == ("ear", "received"))
    agents_s = samples / trial.rate_hz if trial.rate_hz else 0.0
    return trial.chunks_sent * trial.chunk_ms / 1000 + agents_s


class AudioBudget:
    """Counts the audio of a run, and stops it before it exceeds a limit.

    Args:
        limit_min: The limit, minutes; 0: there is none.
        played: (trial, marks) of what the run holds already.
    """

    def __init__(
        self, limit_min: float = 0.0, played: Iterable[tuple[Trial, Sequence[Mark]]] = ()
    ) -> None:
        self._limit_s = limit_min * 60
        self.used_s = sum(exchanged_s(trial, marks) for trial, marks in played)

    def add(self, trial: Trial, marks: Iterable[Mark]) -> None:
        """Counts a trial that was played."""
        self.used_s += exchanged_s(trial, marks)

    def check(self, planned: Planned) -> None:
        """Refuses a trial that would exceed the limit, by what is planned for it.

        Raises:
            AudioSpentError: it would.
        """
        needs_s = audio_of(planned)
        if self._limit_s and self.used_s + needs_s > self._limit_s:
            raise AudioSpentError(
                f"Stopped before {planned.trial_id}: it needs about {needs_s / 60:.1f} minutes of "
                f"audio, and {self.used_s / 60:.1f} of the {self._limit_s / 60:g} that "
                "--max-audio-minutes allows are used (the user's and the agents', warm-ups too)."
            )
