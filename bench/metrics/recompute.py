"""Computes a run's metrics and causes again from the files on disk, and stores them.

Those of a large run by several processes, a few trials at a time: trials don't know of each other,
so the rows are those of `bench.metrics.compute.with_causes`, in order.
"""

from __future__ import annotations

import gc
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

from bench.causes.find import causes_of_run
from bench.metrics.compute import Computed, with_causes
from bench.store.labels import FixtureLabels
from bench.store.lock import RunLock
from bench.store.records import CauseRow, MetricRow, Trial
from bench.store.store import (
    Run,
    consolidate,
    done_trials,
    read_run,
    write_causes,
    write_metrics,
)
from pipelines.errors import LabError

LARGE_RUN_MARKS = 200_000
"""Least number of marks for which processes gain more than their start costs (about 1 s)."""
MAX_PROCESSES = 4
"""Most processes: each takes about 100 MB."""
CHUNK_TRIALS = 20
"""Number of trials that a process gets at a time."""
COLLECT_AFTER = 50_000
"""Number of new objects after which a process looks for circles among them: those of ten trials."""

_METRIC_FIELDS = tuple(field.name for field in fields(MetricRow))
_CAUSE_FIELDS = tuple(field.name for field in fields(CauseRow))
Columns = list[Sequence[Any]]
"""Rows column by column."""


def analyse(run_dir: Path) -> tuple[Run, list[MetricRow]]:
    """Consolidates a run's folder, computes it, writes ``metrics.parquet`` and ``causes.parquet``.

    The caller holds the folder's `RunLock`, or knows that no other process writes there.

    Raises:
        StoreError: the folder can't be read or written.
    """
    consolidate(run_dir)
    run = read_run(run_dir)
    found = compute_run(run)
    write_causes(run_dir, found.causes)
    write_metrics(run_dir, found.metrics)
    return run, found.metrics


def analyse_again(run_dir: Path) -> tuple[Run, list[MetricRow]]:
    """As `analyse`, for a run that has ended: not while a run writes into the folder.

    Raises:
        StoreError: a run writes there, or the folder can't be read or written.
    """
    if not done_trials(run_dir):
        read_run(run_dir)  # a folder without a run is refused, and gets no lock file
    with RunLock(run_dir):
        return analyse(run_dir)


def compute_run(run: Run, processes: int | None = None) -> Computed:
    """All metrics and causes of all trials of a run; of a large one by processes.

    Args:
        run: The run, whole or partial.
        processes: Number of processes; None chooses. With more than 1, a script that calls this
            needs the usual ``if __name__ == "__main__"``.

    Raises:
        LabError: a trial can't be computed, or a process was killed.
    """
    chosen = _processes(run) if processes is None else processes
    found = with_causes(run) if chosen < 2 else _by_processes(run, chosen)
    found.causes += causes_of_run(run.trials, found.metrics)
    return found


def _by_processes(run: Run, processes: int) -> Computed:
    """As `bench.metrics.compute.with_causes`."""
    found = Computed()

    def take(future: Future[tuple[Columns, Columns]]) -> None:
        metrics, causes = future.result()
        found.metrics += map(MetricRow, *metrics)
        found.causes += map(CauseRow, *causes)

    # Not forked: threads of arrow and others may hold locks that a copy could never get.
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin_process) as pool:
        try:
            pending: deque[Future[tuple[Columns, Columns]]] = deque()
            for chunk in _chunks(run):
                pending.append(pool.submit(_columns_of, chunk))
                if len(pending) > 2 * processes:  # more at a time would only take memory
                    take(pending.popleft())
            for future in pending:
                take(future)
        except BrokenProcessPool:
            raise LabError(
                f"{run.path}: a process that computed its metrics was killed (is the memory "
                "full?); try again."
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


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


def _columns_of(chunk: _Chunk) -> tuple[Columns, Columns]:
    """In a process: a chunk's metrics and causes, column by column: cheaper to hand back."""
    marks = {name: pa.ipc.open_stream(data).read_all() for name, data in chunk.marks.items()}
    found = with_causes(Run(chunk.path, {}, chunk.trials, marks), chunk.labels.get)
    metrics: Columns = [list(map(attrgetter(name), found.metrics)) for name in _METRIC_FIELDS]
    causes: Columns = [list(map(attrgetter(name), found.causes)) for name in _CAUSE_FIELDS]
    return metrics, causes


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _begin_process() -> None:
    """Prepares a process that computes trials.

    Ctrl-C reaches all processes; the first one reports it, and ends the others. Marks hold no
    circles, so that looking for some among them, thousand by thousand, takes time for nothing.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
