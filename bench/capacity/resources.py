"""What a load cost the agent's processes and this machine, sampled while it lasts.

Names the resource that ran out, where one did.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

import psutil

EVERY_S = 0.5
FULL_PERCENT = 90.0
"""CPU, in percent, from which on a process (of one core) or a machine (of all) counts as full."""
LITTLE_MEMORY_MB = 500.0
"""Memory left on the machine below which it counts as full, MB."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Means over a load."""

    machine_percent: float
    """CPU of the whole machine, percent of all cores."""
    agent_percent: float | None
    """CPU of the agent's process tree, percent of one core; None: it is not ours to see."""
    busiest_percent: float | None
    """That of the busiest of its processes."""
    busiest: str
    """Its name."""
    agent_mb: float | None
    """Largest memory of the tree."""
    least_free_mb: float
    """Least memory that was left on the machine."""

    @property
    def limit(self) -> str:
        """What was full, in words; empty: nothing was, as far as can be seen."""
        if self.least_free_mb < LITTLE_MEMORY_MB:
            return f"memory: {self.least_free_mb:.0f} MB were left"
        if self.machine_percent >= FULL_PERCENT:
            return f"CPU: this machine's cores were {self.machine_percent:.0f} % busy"
        if self.busiest_percent is not None and self.busiest_percent >= FULL_PERCENT:
            return f"one core: {self.busiest} took {self.busiest_percent:.0f} % of one"
        return ""


class Meter(threading.Thread):
    """Samples from the start of a ``with`` block to its end.

    Args:
        pid: The agent's process; 0: it is not of this machine.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._over = threading.Event()
        self._machine: list[float] = []
        self._by_process: dict[tuple[int, str], list[float]] = {}
        self._known: dict[int, psutil.Process] = {}
        self._mb: list[float] = []
        self._free: list[float] = []

    def __enter__(self) -> Meter:
        psutil.cpu_percent(None)
        self._sample()
        self._machine, self._by_process = [], {}
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Samples until the block is left."""
        while not self._over.wait(EVERY_S):
            self._sample()

    def _sample(self) -> None:
        self._machine.append(psutil.cpu_percent(None))
        self._free.append(psutil.virtual_memory().available / 2**20)
        total = 0.0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                known = self._known.setdefault(process.pid, process)
                key = (process.pid, _called(known))
                self._by_process.setdefault(key, []).append(known.cpu_percent(None))
                total += known.memory_info().rss / 2**20
        if total:
            self._mb.append(total)

    def _tree(self) -> Iterable[psutil.Process]:
        if self._pid:
            with contextlib.suppress(psutil.Error):
                root = psutil.Process(self._pid)
                return [root, *root.children(recursive=True)]
        return []

    def found(self) -> Resources:
        """What was seen."""
        means = {name: fmean(of) for (_, name), of in self._by_process.items() if of}
        busiest = max(means, key=means.__getitem__, default="")
        return Resources(
            fmean(self._machine) if self._machine else 0.0,
            sum(means.values()) if means else None,
            means.get(busiest),
            busiest,
            max(self._mb, default=None),
            min(self._free, default=0.0),
        )


def _called(process: psutil.Process) -> str:
    """A process's name as a person would call it: what it was started to do."""
    words = process.cmdline()
    told = [word for word in words[1:] if not word.startswith("-")]
    return " ".join((told or words)[:2])[:60] or process.name()
