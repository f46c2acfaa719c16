"""Many callers in one process: a thread each, with absolute deadlines and a clock in common.

Nothing else is done while they speak: what they heard goes to the parent when all have hung up.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing as mp
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bench.caller.call import call, raise_priority, warm_up
from bench.caller.plan import CallerPlan, CallerResult
from pipelines.clock import NS_PER_S, monotonic_ns
from pipelines.errors import LabError

LEAD_S = 0.5
"""Time from the order to the first moment at which a call may begin, s."""
SWITCH_S = 0.0005
"""Longest time that a thread keeps Python for itself while another waits, s: by default 5 ms, which
is as much as a caller may be late."""
GRACE_S = 20.0
"""Time beyond the limits of the calls after which their process is taken to hang, s."""
START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Ordered:
    """One call to make."""

    at_s: float
    """When it begins, from the beginning of the load."""
    plan: CallerPlan


@dataclass(frozen=True, slots=True)
class Load:
    """What the callers of one load did."""

    results: list[CallerResult]
    """In the order in which they were asked for."""
    began_ns: int
    """The beginning of the load."""
    wall_s: float
    cpu_s: float
    """CPU time of the callers' process."""
    most_open: int
    """The largest number of calls that were open at once."""


class Callers:
    """The process of all callers; a context manager that ends it."""

    def __init__(self) -> None:
        context = mp.get_context("spawn")
        self.connection, child = context.Pipe()
        self._process = context.Process(
            target=_main, args=(child,), name="duplex-lab callers", daemon=True
        )
        self._process.start()
        child.close()
        if not self.connection.poll(START_TIMEOUT_S):
            self.stop()
            raise LabError(f"The callers' process did not start within {START_TIMEOUT_S:.0f} s.")
        self.priority: str = self._receive()

    def __enter__(self) -> Callers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def play(self, ordered: Sequence[Ordered]) -> Load:
        """Makes the calls, each at its time, whatever became of those before.

        Raises:
            LabError: the callers' process died, or hangs.
        """
        self.connection.send(list(ordered))
        longest_s = max(one.at_s + one.plan.limit_s for one in ordered)
        if not self.connection.poll(LEAD_S + longest_s + GRACE_S):
            self.stop()
            raise LabError("The callers' process hangs: some calls never ended.")
        load: Load = self._receive()
        return load

    def _receive(self) -> Any:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            raise LabError("The callers' process died.") from None

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _main(connection: Connection) -> None:
    for signum in (signal.SIGINT, signal.SIGHUP):  # the command decides
        signal.signal(signum, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_S)
    warm_up()
    # One collection would stop all callers at once: none is made while a call is open.
    gc.collect()
    gc.freeze()
    connection.send(raise_priority())
    with contextlib.suppress(EOFError):
        while True:
            gc.disable()
            load = _play(connection.recv())
            connection.send(load)
            gc.enable()
            gc.collect()


def _play(ordered: Sequence[Ordered]) -> Load:
    results: list[CallerResult | None] = [None] * len(ordered)
    open_calls = _Count()
    began_ns = monotonic_ns() + int(LEAD_S * NS_PER_S)

    def speak(number: int, plan: CallerPlan) -> None:
        with open_calls:
            results[number] = call(plan, None, lambda word: None, alone=False)

    threads: list[threading.Thread] = []
    cpu_s = time.process_time()
    for number in sorted(range(len(ordered)), key=lambda i: ordered[i].at_s):
        at_ns = began_ns + int(ordered[number].at_s * NS_PER_S)
        time.sleep(max(0, at_ns - monotonic_ns()) / NS_PER_S)
        thread = threading.Thread(target=speak, args=(number, ordered[number].plan), daemon=True)
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    return Load(
        [result for result in results if result is not None],
        began_ns,
        (monotonic_ns() - began_ns) / NS_PER_S,
        time.process_time() - cpu_s,
        open_calls.most,
    )


class _Count:
    """How many threads are within a block, and how many there ever were at once."""

    def __init__(self) -> None:
        self._lock, self._now, self.most = threading.Lock(), 0, 0

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._now -= 1
