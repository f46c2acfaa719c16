"""The stacked bar of a preset: the medians of its pieces, in the order of the path."""

from __future__ import annotations

from bench.summary.summary import PresetSummary
from bench.timeline.critical_path import PIECES


def stack(preset: PresetSummary) -> list[tuple[str, float]]:
    """(piece, median ms) in the order of the path, the gaps together as the residual."""
    pieces = [(p.name, preset.median(p.name) or 0.0) for p in PIECES if not p.is_gap]
    gaps = sum(preset.median(p.name) or 0.0 for p in PIECES if p.is_gap)
    return [*pieces, ("residual", gaps)]
