"""From what is on disk to the figures: computes a run's metrics again and stores them."""

from __future__ import annotations

from pathlib import Path

from bench.metrics import compute
from bench.records import MetricRow
from bench.store import Run, consolidate, read_run, write_metrics


def analyse(run_dir: Path) -> tuple[Run, list[MetricRow]]:
    """Consolidates a run's folder, computes all its metrics and writes ``metrics.parquet``.

    Raises:
        StoreError: the folder can't be read or written.
    """
    consolidate(run_dir)
    run = read_run(run_dir)
    rows = compute(run)
    write_metrics(run_dir, rows)
    return run, rows
