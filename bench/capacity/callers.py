"""The process of all callers: it makes the calls of a load, and does nothing else meanwhile.

What they heard goes to the parent, call by call, when all have hung up.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing as mp
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Literal

from bench.caller.call import raise_priority, warm_up
from bench.capacity import loop, threads
from bench.capacity.calls import LEAD_S, Give, Load, Ordered, Way
from pipelines.errors import LabError

WayName = Literal["loop", "threads"]
WAYS: dict[WayName, Way] = {"loop": loop.play, "threads": threads.play}
"""The ways to make many calls in one process; docs/capacity.md has how they compare."""
SWITCH_S = 0.0005
"""Longest time that a thread keeps Python for itself while another waits, s: by default 5 ms, which
is as much as a caller may be late."""
GRACE_S = 20.0
"""Time beyond the limits of the calls after which their process is taken to hang, s."""
START_TIMEOUT_S = 60.0


class Callers:
    """The process of all callers; a context manager that ends it.

    Args:
        way: How many calls are made by one process.
    """

    def __init__(self, way: WayName = "loop") -> None:
        context = mp.get_context("spawn")
        self.connection, child = context.Pipe()
        self._process = context.Process(
            target=_main, args=(child, way), name="duplex-lab callers", daemon=True
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

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    def play(self, ordered: Sequence[Ordered], give: Give) -> Load:
        """Makes the calls, each at its time, whatever became of those before.

        Args:
            ordered: The calls.
            give: Takes each result, when all calls are over.

        Raises:
            LabError: the callers' process died, or hangs.
        """
        self._send(list(ordered))
        longest_s = max(one.at_s + one.plan.limit_s for one in ordered)
        if not self.connection.poll(LEAD_S + longest_s + GRACE_S):
            self.stop()
            raise LabError("The callers' process hangs: some calls never ended.")
        while not isinstance(received := self._receive(), Load):
            give(*received)
        return received

    def _send(self, ordered: list[Ordered]) -> None:
        try:
            self.connection.send(ordered)
        except OSError:
            raise LabError("The callers' process died.") from None

    def _receive(self) -> Any:
        try:
            received = self.connection.recv()
        except (EOFError, OSError):
            raise LabError("The callers' process died.") from None
        if isinstance(received, LabError):
            raise received
        return received

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _main(connection: Connection, way: WayName) -> None:
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
            try:
                load = WAYS[way](
                    connection.recv(), lambda number, result: connection.send((number, result))
                )
                connection.send(load)
            except LabError as error:
                connection.send(error)
            gc.enable()
            gc.collect()
