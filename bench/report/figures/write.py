"""Writes a run's figures: each panel alone, in each width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.report.figures import frames, latency
from bench.report.figures.panel import Format, Material, files
from bench.store.atomic import StoreError, atomic_write
from bench.store.records import MetricRow
from bench.summary.summary import RunSummary


def write_figures(
    folder: Path, summary: RunSummary, rows: Sequence[MetricRow], form: Format
) -> list[Path]:
    """Writes the figures of which the run has data.

    Args:
        folder: Where; made if it is missing.
        summary: The run's figures.
        rows: Its metrics.
        form: SVG or PDF.

    Returns:
        The files.

    Raises:
        StoreError: the run has nothing to draw, or a file can't be written.
    """
    material = Material(summary, rows)
    panels = [*latency.PANELS, *frames.PANELS, *frames.stage_panels(material)]
    made = list(files(panels, material, form))
    if not made:
        raise StoreError(
            f"{summary.run_id}: there is nothing to draw: no turn counts, and no frames"
        )
    for name, data in made:
        atomic_write(folder / name, data)
    return [folder / name for name, _ in made]
