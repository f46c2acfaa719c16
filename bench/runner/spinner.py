"""An idle-class spinner on each core, for machines whose cores doze and wake late from a timer.

On such a machine a deadline of 20 ms is met some ms late, and so is every chunk of the person. A
process that spins in the class SCHED_IDLE gets only time that nobody else wants, but keeps its core
from dozing. It is never started beside somebody else's work of that class, with which it would
share by half.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pipelines.process.child import die_with_parent

AT_WORK = 0.05
"""Share of a core, at least, that makes another idle-class process one at work."""
LOOK_S = 0.5
"""Time for which other processes are looked at."""
SCHED_IDLE = 5
"""Number of the class in ``/proc``."""
ROUNDS = 20_000
"""Rounds of a spinner between two looks at its parent, about 1 ms of CPU time."""
Used = Mapping[int, tuple[str, int]]
"""Process of the idle class → its name, and the CPU time that it has used, in ticks."""


@dataclass(slots=True)
class Spinner:
    """The spinners of a run; a context manager that ends them."""

    cores: tuple[int, ...] = ()
    """Cores that have a spinner."""
    why_not: str | None = None
    """Why there are none, one sentence; None where they spin."""
    _processes: list[BaseProcess] = field(default_factory=list)

    def __enter__(self) -> Spinner:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def to_dict(self) -> dict[str, Any]:
        """For the run's description."""
        return {"cores": list(self.cores), "why_not": self.why_not}


def start() -> Spinner:
    """A spinner on each core that this process may use, or none and why."""
    if not hasattr(os, "SCHED_IDLE"):
        return Spinner(why_not="this system has no idle class of processes")
    if (other := idle_class_at_work()) is not None:
        return Spinner(why_not=f"{other} works in the idle class, and would lose half of its time")
    cores = tuple(sorted(os.sched_getaffinity(0)))
    context = mp.get_context("spawn")
    processes: list[BaseProcess] = [
        context.Process(
            target=_spin, args=(core, os.getpid()), name=f"duplex-lab spinner {core}", daemon=True
        )
        for core in cores
    ]
    for process in processes:
        process.start()
    return Spinner(cores, None, processes)


def _spin(core: int, parent: int) -> None:
    die_with_parent(parent)  # a run that was killed leaves no spinner behind
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    os.sched_setaffinity(0, {core})
    while os.getppid() == parent:
        for _ in range(ROUNDS):
            pass


def idle_class_at_work(
    look: Callable[[], Used] | None = None, sleep: Callable[[float], None] = time.sleep
) -> str | None:
    """The name of a process of the idle class that uses CPU time now; None if there is none.

    Args:
        look: Looks at all such processes of this machine.
        sleep: Waits between two looks, s.
    """
    look = look or _idle_class
    before = look()
    sleep(LOOK_S)
    ticks = AT_WORK * LOOK_S * os.sysconf("SC_CLK_TCK")
    for pid, (name, used) in look().items():
        if used - before.get(pid, (name, 0))[1] > ticks:
            return f"process {pid} ({name})"
    return None


def _idle_class(root: Path = Path("/proc")) -> Used:
    """The processes of the idle class, by their main threads."""
    found = {}
    for path in root.glob("[0-9]*/stat"):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        name, _, rest = text.partition("(")[2].rpartition(")")
        fields = rest.split()  # the third field of the whole line is the first here
        if len(fields) > 38 and int(fields[38]) == SCHED_IDLE:
            found[int(path.parent.name)] = (name, int(fields[11]) + int(fields[12]))
    return found
