"""Plays a plan on a machine of a cluster in virtual time: in place of `local.play_plan`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bench.runner.plan import Plan
from bench.runner.progress import Watcher
from bench.sweep.cluster.node import MACHINE
from bench.sweep.local import play_plan
from tests.bench.chains.virtual_run import without_processes

LOG = "SWEEP_TEST_LOG"
"""Variable that holds the file in which each shard that begins is noted."""
STAY = "stay"
"""File beside it; while it is there, the second shard of ``south`` goes on for ever."""


def begun(log: Path) -> list[str]:
    """The machine of each shard that has begun."""
    return [line.split()[0] for line in log.read_text(encoding="utf-8").splitlines()]


def play(plan: Plan, run_dir: Path, retries: int, watch: Watcher, *, spin: bool) -> None:
    """Plays a plan."""
    log, machine = Path(os.environ[LOG]), os.environ[MACHINE]
    with log.open("a", encoding="utf-8") as file:
        niceness = os.getpriority(os.PRIO_PROCESS, 0)
        file.write(f"{machine} {os.environ.get('OMP_NUM_THREADS', '-')} {niceness}\n")
    if begun(log).count("south") == 2 and machine == "south":
        while log.with_name(STAY).exists():
            time.sleep(0.1)
    with pytest.MonkeyPatch.context() as patch:
        without_processes(patch)
        play_plan(plan, run_dir, retries, watch, spin=False)
