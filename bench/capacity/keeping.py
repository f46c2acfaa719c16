"""What becomes of a call that is over: its files, its words where the line gave none, its figures.

Done by a few processes between two loads, never beside a call: it takes longer than many a call's
own share of a core.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from bench.caller.mouth import CHUNK_MS
from bench.caller.plan import CallerResult
from bench.fixtures.labels import labels_of
from bench.fixtures.library import Fixture
from bench.metrics.compute import compute_trial
from bench.recorded.listener import Sphinx, transcripts_of
from bench.runner.trial import stereo_of
from bench.store import store
from bench.store.records import MetricRow, Trial
from bench.timeline.lateness import with_lateness
from pipelines.errors import LabError
from pipelines.marks import Mark
from pipelines.spec import PipelineSpec

PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Heard:
    """A call that is over."""

    trial_id: str
    preset: str
    """Name under which the load is kept."""
    number: int
    """The call's place in the load."""
    in_rate_hz: int
    """Rate of the user's audio."""
    result: CallerResult


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps the calls of one run.

    Args:
        run_dir: Its folder.
        spec: The agent's preset.
        listens: Whether a recogniser listens where the line has given no word of the answers.
    """

    run_dir: Path
    spec: PipelineSpec
    listens: bool = True

    def keep(self, fixture: Fixture, heard: Heard) -> tuple[Trial, list[MetricRow]]:
        """Writes a call; gives its row and its figures."""
        result, labels = heard.result, labels_of(fixture)
        stereo, path = stereo_of(result, heard.in_rate_hz), None
        if stereo is not None:
            path = store.save_recording(self.run_dir, heard.trial_id, stereo, result.rate_hz)
        trial = Trial(
            run_id=self.run_dir.name,
            trial_id=heard.trial_id,
            preset=heard.preset,
            fixture=fixture.name,
            fixture_sha256=fixture.sha256,
            repeat=heard.number,
            warmup=False,
            turns=len(fixture.turns),
            t0_ns=result.t0_ns,
            rate_hz=result.rate_hz,
            weights=self.spec.weights,
            kind=self.spec.kind,
            status=result.status,
            error=result.error or result.note,
            chunk_ms=CHUNK_MS,
            chunks_sent=result.chunks_sent,
            device_buffer_ms=float(self.spec.audio.device_buffer_ms),
            preroll_ms=float(self.spec.audio.preroll_ms),
            recording=path,
            cpu_caller_s=result.cpu_s,
            rss_caller_peak_mb=result.rss_peak_mb or None,
            audio_s=len(stereo) / result.rate_hz if stereo is not None else 0.0,
            wall_s=result.wall_s,
            started_utc=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        marks = sorted(result.marks, key=lambda mark: mark.t_ns)
        trial = with_lateness(trial, marks, stereo)
        if self.listens and needs_ears(trial, marks) and stereo is not None:
            marks += transcripts_of(trial, marks, stereo, labels, _recogniser())
        store.write_trial(self.run_dir, trial, marks)
        return trial, compute_trial(trial, marks, stereo, labels)


def needs_ears(trial: Trial, marks: Sequence[Mark]) -> bool:
    """Whether only a recogniser can say that the answers have words: the line has given none."""
    given = any((m.stage, m.event) == ("line", "agent_text") for m in marks)
    return trial.weights == "trained" and trial.rate_hz > 0 and not given


@dataclass(slots=True)
class Kept:
    """The calls of one load that count, as they come back."""

    trials: list[Trial] = field(default_factory=list)
    rows: list[MetricRow] = field(default_factory=list)


class Pool:
    """The processes that keep calls.

    Args:
        keeper: What each does.
        processes: Their number; 0: none, all is done at once, in this one.
    """

    def __init__(self, keeper: Keeper, processes: int = PROCESSES) -> None:
        self._keeper, self._processes = keeper, processes
        self._executor: ProcessPoolExecutor | None = None

    @contextmanager
    def load(self) -> Iterator[_Loading]:
        """Within, calls of one load are taken; after it all are kept.

        Raises:
            LabError: a process was killed, or the disk is full.
        """
        if self._processes and self._executor is None:
            context = get_context("spawn")  # not forked: threads may hold locks
            self._executor = ProcessPoolExecutor(self._processes, context, _ignore_interrupts)
        loading = _Loading(self._keeper, self._executor, 2 * self._processes)
        try:
            yield loading
            loading.finish()
        except BrokenProcessPool:
            raise LabError(
                f"{self._keeper.run_dir}: a process that keeps calls was killed (is the memory "
                "full?); 'capacity --resume' goes on."
            ) from None

    def stop(self) -> None:
        """Ends the processes."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)


@dataclass(slots=True)
class _Loading:
    keeper: Keeper
    executor: ProcessPoolExecutor | None
    most: int
    """Calls that wait at a time: more would only take memory."""
    kept: Kept = field(default_factory=Kept)
    _pending: deque[Future[tuple[Trial, list[MetricRow]]]] = field(default_factory=deque)

    def take(self, fixture: Fixture, heard: Heard) -> None:
        """Has a call kept."""
        if self.executor is None:
            self._add(*self.keeper.keep(fixture, heard))
            return
        self._pending.append(self.executor.submit(self.keeper.keep, fixture, heard))
        if len(self._pending) > self.most:
            self._add(*self._pending.popleft().result())

    def finish(self) -> None:
        """Waits for all."""
        while self._pending:
            self._add(*self._pending.popleft().result())

    def _add(self, trial: Trial, rows: list[MetricRow]) -> None:
        self.kept.trials.append(trial)
        self.kept.rows += rows


@cache
def _recogniser() -> Sphinx:
    return Sphinx()


def _ignore_interrupts() -> None:
    """Ctrl-C reaches all processes; the first one reports it, and ends the others."""
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
