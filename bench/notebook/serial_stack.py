"""The serial stack that is often claimed for a cascade, compared with the same turns as heard.

The claim adds up the stages' own figures. Stages overlap (the recogniser works while the pipeline
waits for the end of the turn), and no stage covers what carries audio and text between them: so a
sum can lie above what was heard, or below it. The largest stage alone is what would remain if all
overlapped fully.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.store.records import MetricRow

CLAIMED_MS = {"endpointing_delay": 30.0, "stt_tail": 120.0, "llm_ttft": 300.0, "tts_ttfb": 150.0}
"""Metric → what a course on interaction models draws for it; in the order of the path."""
LABELS = {
    "endpointing_delay": "endpointing delay",
    "stt_tail": "STT",
    "llm_ttft": "LLM",
    "tts_ttfb": "TTS",
}
"""Short, for figures."""


@dataclass(frozen=True, slots=True)
class Stacked:
    """A valid turn with a figure for each stage. All in ms."""

    trial_id: str
    preset: str
    turn: int
    stages: dict[str, float]
    """Metric → its figure, in the order of `CLAIMED_MS`."""
    heard_ms: float
    """voice_to_voice."""

    @property
    def sum_ms(self) -> float:
        """The sum of the stages, ms."""
        return sum(self.stages.values())

    @property
    def largest_ms(self) -> float:
        """The longest stage, ms."""
        return max(self.stages.values())


def stacked(rows: Iterable[MetricRow]) -> list[Stacked]:
    """The turns of a run with a figure for every stage; without warm-ups."""
    found: dict[tuple[str, int], dict[str, MetricRow]] = {}
    wanted = {*CLAIMED_MS, "voice_to_voice"}
    for row in rows:
        if row.metric in wanted and row.valid and row.value is not None and not row.warmup:
            found.setdefault((row.trial_id, row.turn), {})[row.metric] = row
    return [
        Stacked(
            trial_id,
            of["voice_to_voice"].preset,
            turn,
            {name: of[name].value or 0.0 for name in CLAIMED_MS},
            of["voice_to_voice"].value or 0.0,
        )
        for (trial_id, turn), of in found.items()
        if len(of) == len(wanted)
    ]
