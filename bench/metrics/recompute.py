"""From what is on disk to the figures: computes a run's metrics again and stores them."""

from __future__ import annotations

from pathlib import Path

from bench.metrics.parallel import compute_run
from bench.store.lock import RunLock
from bench.store.records import MetricRow
from bench.store.store import Run, consolidate, done_trials, read_run, write_metrics


def analyse(run_dir: Path) -> tuple[Run, list[MetricRow]]:
    """Consolidates a run's folder, computes all its metrics and writes ``metrics.parquet``.

    The caller holds the folder's `RunLock`, or knows that nobody else writes there.

    Raises:
        StoreError: the folder can't be read or written.
    """
    consolidate(run_dir)
    run = read_run(run_dir)
    rows = compute_run(run)
    write_metrics(run_dir, rows)
    return run, rows


def analyse_again(run_dir: Path) -> tuple[Run, list[MetricRow]]:
    """As `analyse`, for a run that has ended: not while a run writes into the folder.

    Raises:
        StoreError: a run writes there, or the folder can't be read or written.
    """
    if not done_trials(run_dir):
        read_run(run_dir)  # what is no run's folder is told so, and is given no lock file
    with RunLock(run_dir):
        return analyse(run_dir)
