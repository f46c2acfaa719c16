"""The stacked bar of a preset: the medians of its pieces, in the order of the path."""

from __future__ import annotations

from bench.summary.summary import PresetSummary
from bench.timeline.critical_path import PIECES

UNSPLIT = "unsplit"
"""Name of the whole answer of a preset whose answers have no parts."""
RESIDUAL = "residual"
"""Name of the hand-over gaps together."""
COLOURS = {
    **{p.name: p.colour for p in PIECES if not p.is_gap},
    RESIDUAL: "#000000",
    UNSPLIT: "#AAB2BB",
}
"""Part of a bar → its colour on white."""
LABELS = {
    **{p.name: p.label for p in PIECES if not p.is_gap},
    RESIDUAL: "hand-over gaps",
    UNSPLIT: "not split",
}
"""Part of a bar → what a legend calls it."""


def stack(preset: PresetSummary) -> list[tuple[str, float]]:
    """(piece, median ms) in the order of the path, the gaps together as the residual."""
    pieces = [(p.name, preset.median(p.name) or 0.0) for p in PIECES if not p.is_gap]
    gaps = sum(preset.median(p.name) or 0.0 for p in PIECES if p.is_gap)
    return [*pieces, (RESIDUAL, gaps)]


def bar(preset: PresetSummary) -> list[tuple[str, float]]:
    """(piece, ms) of a preset's bar: those of `stack`, or the whole answer where it has none."""
    parts = stack(preset)
    return parts if any(ms for _, ms in parts) else [(UNSPLIT, preset.p50.value or 0.0)]
