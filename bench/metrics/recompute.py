"""Computes a run's metrics again from the files on disk, and stores them.

Those of a large run by several processes, a few trials at a time: trials don't know of each other,
so the rows are those of `bench.metrics.compute.compute`, in order.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.metrics.compute import compute
from bench.store.labels import FixtureLabels
from bench.store.lock import RunLock
from bench.store.records import MetricRow, Trial
from bench.store.store import Run, consolidate, done_trials, read_run, write_metrics
from pipelines.errors import LabError

LARGE_RUN_MARKS = 200_000
"""Least number of marks for which processes gain more than their start costs (about 1 s)."""
MAX_PROCESSES = 4
"""Most processes: each takes about 100 MB."""
CHUNK_TRIALS = 20
"""Number of trials that a process gets at a time."""

_FIELDS = tuple(field.name for field in fields(MetricRow))


def analyse(run_dir: Path) -> tuple[Run, list[MetricRow]]:
    """Consolidates a run's folder, computes all its metrics and writes ``metrics.parquet``.

    The caller holds the folder's `RunLock`, or knows that no other process writes there.

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
        read_run(run_dir)  # a folder without a run is refused, and gets no lock file
    with RunLock(run_dir):
        return analyse(run_dir)


def compute_run(run: Run, processes: int | None = None) -> list[MetricRow]:
    """All metrics of all trials of a run, as `compute.compute`; of a large one by processes.

    Args:
        run: The run, whole or partial.
        processes: Number of processes; None chooses. With more than 1, a script that calls this
            needs the usual ``if __name__ == "__main__"``.

    Raises:
        LabError: a trial can't be computed, or a process was killed.
    """
    chosen = _processes(run) if processes is None else processes
    if chosen < 2:
        return compute(run)
    rows: list[MetricRow] = []
    # Not forked: threads of arrow and others may hold locks that a copy could never get.
    with ProcessPoolExecutor(chosen, get_context("spawn"), _ignore_interrupts) as pool:
        try:
            pending: deque[Future[list[Sequence[Any]]]] = deque()
            for chunk in _chunks(run):
                pending.append(pool.submit(_columns_of, chunk))
                if len(pending) > 2 * chosen:  # more at a time would only take memory
                    rows += map(MetricRow, *pending.popleft().result())
            for future in pending:
                rows += map(MetricRow, *future.result())
        except BrokenProcessPool:
            raise LabError(
                f"{run.path}: a process that computed its metrics was killed (is the memory "
                "full?); try again."
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return rows


def _processes(run: Run) -> int:
    """Number of processes that are worth their start."""
    if sum(map(len, run.mark_tables.values())) < LARGE_RUN_MARKS:
        return 1
    return min(MAX_PROCESSES, _cores())


def _cores() -> int:
    """Number of cores that this process may use, where the system reports it."""
    known = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(known(0)) if known is not None else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some trials of a run, with all that computing them needs."""

    path: Path
    """The run's folder."""
    trials: tuple[Trial, ...]
    labels: dict[str, FixtureLabels | None]
    """Labels of the trials' fixtures."""
    marks: dict[str, bytes]
    """Trial id → its marks, as an arrow stream: a pickled slice would hold the whole table."""


def _chunks(run: Run) -> Iterator[_Chunk]:
    labels = {name: run.labels(name) for name in {trial.fixture for trial in run.trials}}
    for start in range(0, len(run.trials), CHUNK_TRIALS):
        trials = run.trials[start : start + CHUNK_TRIALS]
        ids = [trial.trial_id for trial in trials if trial.trial_id in run.mark_tables]
        marks = {trial_id: _packed(run.mark_tables[trial_id]) for trial_id in ids}
        yield _Chunk(run.path, trials, labels, marks)


def _columns_of(chunk: _Chunk) -> list[Sequence[Any]]:
    """In a process: the rows of a chunk, column by column, which are cheaper to hand back."""
    marks = {name: pa.ipc.open_stream(data).read_all() for name, data in chunk.marks.items()}
    rows = compute(Run(chunk.path, {}, chunk.trials, marks), chunk.labels.get)
    return [list(map(attrgetter(name), rows)) for name in _FIELDS]


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _ignore_interrupts() -> None:
    """Ctrl-C reaches all processes; the first one reports it, and ends the others."""
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
