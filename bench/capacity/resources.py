"""What a load cost the agent's processes and this machine, sampled while it lasts.

Names the resource that ran out, where one did: so the number of calls has a reason.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import psutil

EVERY_S = 0.5
FULL_PERCENT = 90.0
"""CPU, in percent, from which on a process (of one core) or a machine (of all) counts as full."""
LITTLE_MEMORY_MB = 500.0
"""Memory left on the machine below which it counts as full, MB."""
LAGGED_MS = 100.0
"""Lag of a server's event loop, 95th percentile, from which on it counts as busy, ms."""
WAITED_PERCENT = 20.0
"""Share of the time that the agent's processes together wait for a core, percent, from which on
the cores count as scarce."""
PROBE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked at beside the machine."""

    pid: int = 0
    """The agent's process; 0: it is not of this machine."""
    callers_pid: int = 0
    """The callers' process."""
    probe: tuple[str, int] | None = None
    """Host and port of a server of ours, whose ``/healthz`` tells how late its event loop is."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Means over a load, but where another statistic is named."""

    machine_percent: float
    """CPU of the whole machine, percent of all cores."""
    agent_percent: float | None
    """CPU of the agent's process tree, percent of one core; None: it is not ours to see."""
    callers_percent: float | None
    """CPU of the callers' process, percent of one core."""
    others_percent: float | None
    """CPU of everything else on the machine, percent of one core."""
    busiest_percent: float | None
    """That of the busiest of the agent's processes."""
    busiest: str
    """Its name."""
    waited_percent: float | None
    """Time that the agent's processes waited for a core, percent of the load's; Linux only."""
    loop_lag_ms: float | None
    """95th percentile of the time that the server's event loop took to answer anything at all."""
    agent_mb: float | None
    """Largest memory of the tree."""
    least_free_mb: float | None
    """Least memory that was left on the machine."""

    @property
    def limit(self) -> str:
        """What was full, in words; empty: nothing was, as far as can be seen."""
        found = []
        if self.least_free_mb is not None and self.least_free_mb < LITTLE_MEMORY_MB:
            found.append(f"memory: {self.least_free_mb:.0f} MB were left")
        if self.machine_percent >= FULL_PERCENT:
            others = self.others_percent or 0.0
            beside = f", {others:.0f} % of a core by other programs" if others >= 20 else ""
            found.append(
                f"CPU: this machine's cores were {self.machine_percent:.0f} % busy{beside}"
            )
        elif self.busiest_percent is not None and self.busiest_percent >= FULL_PERCENT:
            found.append(f"one core: {self.busiest} took {self.busiest_percent:.0f} % of one")
        elif self.waited_percent is not None and self.waited_percent >= WAITED_PERCENT:
            found.append(
                f"CPU: the agent's processes waited for a core {self.waited_percent:.0f} % of the "
                "time"
            )
        if self.loop_lag_ms is not None and self.loop_lag_ms >= LAGGED_MS:
            found.append(f"event loop: the server's was {self.loop_lag_ms:.0f} ms late (p95)")
        return "; ".join(found)


@dataclass(slots=True)
class _Seen:
    """Samples."""

    machine: list[float] = field(default_factory=list)
    callers: list[float] = field(default_factory=list)
    by_process: dict[tuple[int, str], list[float]] = field(default_factory=dict)
    mb: list[float] = field(default_factory=list)
    free_mb: list[float] = field(default_factory=list)
    lag_ms: list[float] = field(default_factory=list)


class Meter:
    """Samples from the start of a ``with`` block to its end, or to `stop`.

    Args:
        watched: What is looked at.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._known: dict[int, psutil.Process] = {}
        self._seen = _Seen()
        self._began_s = self._took_s = 0.0
        self._waited_ns: dict[int, tuple[int, int]] = {}
        """Process → how long it had waited for a core, first and last."""

    def __enter__(self) -> Meter:
        self._sample()
        self._seen = _Seen()
        self._waited_ns = {}
        self._began_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the sampling; once is enough."""
        if not self._over.is_set():
            self._took_s = time.monotonic() - self._began_s
            self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            self._sample()

    def _sample(self) -> None:
        seen = self._seen
        seen.machine.append(psutil.cpu_percent(None))
        seen.free_mb.append(psutil.virtual_memory().available / 2**20)
        with contextlib.suppress(psutil.Error):
            if self._watched.callers_pid:
                seen.callers.append(self._process(self._watched.callers_pid).cpu_percent(None))
        total = 0.0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                known = self._process(process.pid)
                key = (process.pid, _called(known))
                seen.by_process.setdefault(key, []).append(known.cpu_percent(None))
                total += known.memory_info().rss / 2**20
                self._count_wait(process.pid)
        if total:
            seen.mb.append(total)
        if self._watched.probe is not None:
            seen.lag_ms.append(answers_after_ms(*self._watched.probe))

    def _process(self, pid: int) -> psutil.Process:
        if pid not in self._known:
            self._known[pid] = psutil.Process(pid)
        return self._known[pid]

    def _count_wait(self, pid: int) -> None:
        waited_ns = _waited_ns(pid)
        if waited_ns is not None:
            self._waited_ns[pid] = (self._waited_ns.get(pid, (waited_ns, 0))[0], waited_ns)

    def _tree(self) -> Iterable[psutil.Process]:
        if self._watched.pid:
            with contextlib.suppress(psutil.Error):
                root = self._process(self._watched.pid)
                return [root, *root.children(recursive=True)]
        return []

    def found(self) -> Resources:
        """What was seen."""
        seen = self._seen
        # A process that began or ended in between counts for its part of the time.
        n = max(1, len(seen.machine))
        means = {key: sum(of) / n for key, of in seen.by_process.items()}
        busiest = max(means, key=means.__getitem__, default=None)
        machine = fmean(seen.machine) if seen.machine else 0.0
        agent = sum(means.values()) if means else None
        callers = fmean(seen.callers) if seen.callers else None
        cores = psutil.cpu_count() or 1
        waited_ns = sum(last - first for first, last in self._waited_ns.values())
        lags = sorted(seen.lag_ms)
        return Resources(
            machine,
            agent,
            callers,
            None if agent is None else max(0.0, machine * cores - agent - (callers or 0.0)),
            None if busiest is None else means[busiest],
            "" if busiest is None else busiest[1],
            100 * waited_ns / 1e9 / self._took_s if self._waited_ns and self._took_s else None,
            lags[int(0.95 * (len(lags) - 1))] if lags else None,
            max(seen.mb, default=None),
            min(seen.free_mb, default=None),
        )


def answers_after_ms(host: str, port: int) -> float:
    """Time until a server answers ``/healthz``: what its event loop is late, and little more.

    A server that does not answer counts with the longest wait.
    """
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_TIMEOUT_S)
    began_s = time.monotonic()
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return 1000 * PROBE_TIMEOUT_S
    finally:
        connection.close()
    return 1000 * (time.monotonic() - began_s)


def listens_at(port: int) -> int:
    """The process of this machine that listens at a TCP port; 0: it is not ours to see."""
    with contextlib.suppress(psutil.Error, PermissionError):
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid:
                return int(one.pid)
    return 0


def _waited_ns(pid: int) -> int | None:
    """Time for which a process's threads were ready and had no core, as Linux counts it."""
    total, known = 0, False
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += int(path.read_text(encoding="ascii").split()[1])
            known = True
    return total if known else None


def _called(process: psutil.Process) -> str:
    """A process's name as a person would call it: what it was started to do."""
    words = process.cmdline()
    told = [word for word in words[1:] if not word.startswith("-")]
    return " ".join((told or words)[:2])[:60] or process.name()
