"""One figure a metric of a preset, as the tables of a run show it: for comparisons, and history."""

from __future__ import annotations

from bench.summary.frames import DuplexSummary
from bench.summary.headlines import columns
from bench.summary.summary import PresetSummary


def figures_shown(preset: PresetSummary, frames: DuplexSummary | None = None) -> dict[str, float]:
    """Metric (or share of turns, in %) → its figure, in the metric's unit.

    Args:
        preset: The preset.
        frames: Its frames, of a duplex model.
    """
    of_trials = {
        c.metric: preset.figures[c.key].value for c in columns("quality") if c.subject is None
    }
    of_frames = {
        c.metric: frames.figures[c.key]
        for table in ("frames", "conversation")
        for c in columns(table)
        if frames is not None and c.subject is None
    }
    found = {
        **{metric: estimate.value for metric, estimate in preset.medians.items()},
        **of_trials,
        **of_frames,
        "no_answer": _percent(preset.unanswered_rate),
        "invalid": _percent(preset.invalid_rate),
        "stt_wer": preset.wer,
        "task_success": _percent(preset.success.value),
    }
    return {metric: value for metric, value in found.items() if value is not None}


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
