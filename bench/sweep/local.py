"""A sweep on this machine: one shard after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.compare.comparable import Origin, machine_differences
from bench.machine import description
from bench.metrics.recompute import analyse
from bench.runner.plan import Plan
from bench.runner.progress import Progress, Watcher
from bench.runner.run import RunStoppedError, execute, provide
from bench.store import store
from bench.store.lock import RunLock
from bench.sweep.folder import SweepFolder
from bench.sweep.gather import gather, is_whole
from bench.sweep.grid import Grid, Shard
from pipelines.errors import LabError

PRIOR_S = 60.0
"""Planned time that weighs as much as the plan itself before the machine's pace is known."""

Player = Callable[[Shard, Path, Watcher], None]
"""Plays a shard into a folder, or what is left of it there."""


def play(shard: Shard, shard_dir: Path, watch: Watcher, *, spin: bool = True) -> None:
    """Plays a shard as an ordinary run; what its folder holds of it already is kept."""
    play_plan(shard.plan, shard_dir, shard.cell.retries, watch, spin=spin)


def play_plan(plan: Plan, run_dir: Path, retries: int, watch: Watcher, *, spin: bool) -> None:
    """Plays a plan, or what is left of it in the folder."""
    is_begun = bool(store.read_info(run_dir))
    execute(plan, run_dir, resume=is_begun, watch=watch, retries=retries, spin=spin)


def play_here(grid: Grid, folder: SweepFolder, watch: Watcher, player: Player = play) -> None:
    """Plays what is left of a sweep, and computes the metrics of its runs.

    Args:
        grid: The plan, as `SweepFolder.open` returned it.
        folder: The sweep's folder, locked.
        watch: Takes the progress.
        player: Plays a shard.

    Raises:
        LabError: as `bench.runner.run.execute`; all that was played is kept.
    """
    left = gather_whole(grid, folder)
    if left:
        _require_this_machine(folder)
    for cell in {shard.cell.name: shard.cell for shard in left}.values():
        provide(cell.plan, watch)  # before the first trial, not in the middle of the night
    pace = Pace(grid, watch)
    try:
        for i, shard in enumerate(left):
            began_s = time.monotonic()
            player(shard, folder.shard_dir(shard), pace.within(left[i:]))
            pace.took(shard, time.monotonic() - began_s)
            gather(folder, shard)
    except (RunStoppedError, KeyboardInterrupt):
        raise RunStoppedError(stopped(grid, folder)) from None
    finally:
        compute(folder)


def stopped(grid: Grid, folder: SweepFolder) -> str:
    """What is kept of a sweep that was stopped, and how it is gone on with."""
    done = len(grid.shards) - len(folder.left(grid))
    return (
        f"Stopped; {done} of {len(grid.shards)} shards are done and kept in {folder.path}. "
        "To resume: the same command again."
    )


def gather_whole(grid: Grid, folder: SweepFolder) -> list[Shard]:
    """Gathers the shards that a sweep had played and not gathered when it ended.

    Returns:
        The shards that are left to play.
    """
    left = []
    for shard in folder.left(grid):
        if is_whole(shard, folder.shard_dir(shard)):
            gather(folder, shard)
        else:
            left.append(shard)
    return left


def compute(folder: SweepFolder) -> None:
    """Computes the metrics of the runs that have none, or have had one more shard since."""
    for run in folder.runs():
        trials, metrics = (run.path / f"{name}.parquet" for name in ("trials", "metrics"))
        is_new = not metrics.exists() or metrics.stat().st_mtime_ns < trials.stat().st_mtime_ns
        if is_new:
            with RunLock(run.path):
                analyse(run.path)


def _require_this_machine(folder: SweepFolder) -> None:
    """Refuses to go on elsewhere with runs of a machine that has no name.

    Raises:
        LabError: they were measured on another machine.
    """
    here = Origin("here", {"machine": description.describe()}, 0)
    for run in folder.runs():
        if run.machine is None:
            there = Origin(str(run.path), store.read_info(run.path), 0)
            if different := "; ".join(machine_differences(there, here)):
                raise LabError(
                    f"{run.path} was measured on another machine ({different}), and a run is of "
                    "one: begin the sweep anew with --out."
                )


class Pace:
    """The time that a sweep still takes: its plan, scaled by its shards so far.

    Args:
        grid: The plan.
        watch: Takes the progress of the sweep as a whole.
    """

    def __init__(self, grid: Grid, watch: Watcher) -> None:
        self._total = sum(len(shard.trial_ids) for shard in grid.shards)
        self._watch = watch
        self._planned_s = self._took_s = PRIOR_S

    def took(self, shard: Shard, seconds: float) -> None:
        """Takes the duration of a shard."""
        self._planned_s += shard.plan.seconds()
        self._took_s += seconds

    def left_s(self, shards: Sequence[Shard]) -> float:
        """Estimated duration of shards on this machine, s."""
        return sum(s.plan.seconds() for s in shards) * self._took_s / self._planned_s

    def within(self, left: Sequence[Shard]) -> Watcher:
        """A watcher of the first of the shards that are left."""
        now, *later = left
        later_s, here = self.left_s(later), len(now.trial_ids)
        before = self._total - here - sum(len(shard.trial_ids) for shard in later)

        def told(p: Progress) -> None:
            done = before + here - min(p.total - p.done, here)
            text = f"{now.name}: {p.text}"
            left_s = p.left_s + later_s
            self._watch(replace(p, done=done, total=self._total, left_s=left_s, text=text))

        return told
