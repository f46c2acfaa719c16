"""A shard that was played becomes a part of its run: by the store's own reading and writing.

What is killed in the middle is done again from the shard's folder, which goes last: each trial is
in the run once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.compare.comparable import Origin, machine_differences
from bench.runner.run import worst
from bench.store import store
from bench.store.atomic import StoreError, explained
from bench.store.lock import RunLock
from bench.store.records import Trial
from bench.store.removal import remove_whole
from bench.store.schema import SCHEMA_VERSION
from bench.sweep.folder import SweepFolder
from bench.sweep.grid import Shard


def is_whole(shard: Shard, shard_dir: Path) -> bool:
    """Whether all that is planned of a shard lies in its folder."""
    return shard_dir.is_dir() and shard.trial_ids <= store.done_trials(shard_dir)


def gather(folder: SweepFolder, shard: Shard) -> Path:
    """Adds a shard to its run, and removes its folder.

    Returns:
        The run's folder.

    Raises:
        StoreError: the shard is not whole, a file is damaged, or the disk can't be written.
    """
    shard_dir = folder.shard_dir(shard)
    part = store.read_run(shard_dir)
    if not is_whole(shard, shard_dir):
        raise StoreError(f"{shard_dir}: the shard was not played to its end.")
    machine = part.info.get("machine", {}).get("name")
    run_dir = folder.run_of(shard, machine)
    with RunLock(run_dir):
        info = store.read_info(run_dir)
        _require_same_machine(run_dir, info, shard_dir, part.info)
        for trial, renamed in _renamed(run_dir, part.trials):
            if trial.recording is not None:
                copied = _copy(shard_dir / trial.recording, run_dir, renamed.trial_id)
                renamed = replace(renamed, recording=copied)
            store.write_trial(run_dir, renamed, part.marks(trial.trial_id))
        store.write_info(run_dir, merged(info, part.info, run_dir.name, shard, machine))
        store.consolidate(run_dir)
    remove_whole(shard_dir)
    return run_dir


def merged(
    info: Mapping[str, Any],
    part: Mapping[str, Any],
    run_id: str,
    shard: Shard,
    machine: str | None,
) -> dict[str, Any]:
    """``run.json`` of a run with one more shard.

    Args:
        info: As it was; empty at first.
        part: That of the shard.
        run_id: Name of the run.
        shard: The shard.
        machine: Name of the machine that played it.
    """
    own = [s for s in info.get("sessions", ()) if s.get("shard") != shard.name]
    sessions = [*own, *({**s, "shard": shard.name} for s in part.get("sessions", ()))]
    return {
        **part,
        **info,
        "run_id": run_id,
        "schema_version": SCHEMA_VERSION,
        "plan": shard.cell.plan.identity(),
        "sweep": {"cell": shard.cell.name, "machine": machine},
        "presets": {**part.get("presets", {}), **info.get("presets", {})},
        "fixtures": {**part.get("fixtures", {}), **info.get("fixtures", {})},
        "sessions": sessions,
        **({"calibration": worst(sessions)} if sessions else {}),
    }


def _require_same_machine(
    run_dir: Path, info: Mapping[str, Any], shard_dir: Path, part: Mapping[str, Any]
) -> None:
    """Refuses to mix machines in a run.

    Raises:
        StoreError: they differ.
    """
    if not info:
        return
    sides = (Origin(str(run_dir), info, 0), Origin(str(shard_dir), part, 0))
    different = "; ".join(machine_differences(*sides))
    if different:
        raise StoreError(
            f"{run_dir} and {shard_dir} were measured on different machines ({different}), and a "
            "run is of one: begin the sweep anew with --out."
        )


def _renamed(run_dir: Path, trials: tuple[Trial, ...]) -> Iterator[tuple[Trial, Trial]]:
    """Each trial of a shard, and the same as its run names it.

    Warm-ups of several shards have the same names, so they are counted on; those that are there
    already, by the time at which they began, keep their number.
    """
    there = store.read_trials(run_dir)
    known = {(t.preset, t.started_utc): t.repeat for t in there if t.warmup}
    taken = {(t.preset, t.fixture, t.repeat) for t in there if t.warmup}
    for trial in trials:
        renamed = replace(trial, run_id=run_dir.name)
        if trial.warmup:
            repeat = known.get((trial.preset, trial.started_utc), 0)
            while (trial.preset, trial.started_utc) not in known and (
                trial.preset,
                trial.fixture,
                repeat,
            ) in taken:
                repeat += 1
            taken.add((trial.preset, trial.fixture, repeat))
            name = f"{trial.preset}.{trial.fixture}.warmup{repeat}"
            renamed = replace(renamed, repeat=repeat, trial_id=name)
        yield trial, renamed


def _copy(source: Path, run_dir: Path, trial_id: str) -> str:
    relative = f"audio/{trial_id}{source.suffix}"
    target = run_dir / relative
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return relative
