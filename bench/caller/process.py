"""The run's handle on the caller's process: spawned once, plays one trial after the other."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import signal
import socket
from multiprocessing.connection import Connection

from bench.caller.call import call, raise_priority, warm_up
from bench.caller.connection import listen
from bench.caller.plan import CallerPlan, CallerResult
from bench.lines.table import row_of
from pipelines.errors import LabError
from pipelines.process.scratch import Scratch, sweep

START_TIMEOUT_S = 30.0


class CallerProcess:
    """One caller; a context manager that ends it."""

    def __init__(self) -> None:
        # Short: a Unix socket's path may hold some 100 characters.
        self._scratch = Scratch()
        sweep()
        self._trials = 0
        self._socket_path = ""
        context = mp.get_context("spawn")
        self.connection, child = context.Pipe()
        self._process = context.Process(
            target=_main, args=(child,), name="duplex-lab caller", daemon=True
        )
        self._process.start()
        child.close()
        if not self.connection.poll(START_TIMEOUT_S):
            self.stop()
            raise LabError(f"The caller's process did not start within {START_TIMEOUT_S:.0f} s.")
        try:
            self.priority: str = self.connection.recv()
        except EOFError:
            self.stop()
            raise LabError("The caller's process died while it started.") from None

    def __enter__(self) -> CallerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The caller's process id."""
        return self._process.pid or 0

    def ask(self, plan: CallerPlan) -> str:
        """Sends a trial; returns the path of the socket at which the caller now listens.

        Each trial has a socket of its own, so that a late connection of the last one reaches no
        listener. On a line that the caller dials there is none: the path is empty.

        Raises:
            LabError: the caller died.
        """
        self._trials += 1
        self._socket_path = ""
        if row_of(plan.line.name).connects == "agent":
            self._socket_path = str(self._scratch.path / f"{self._trials}.sock")
        try:
            self.connection.send((plan, self._socket_path))
            self.connection.recv()
        except (EOFError, OSError):
            raise LabError("The caller's process died before the trial.") from None
        return self._socket_path

    def receive(self) -> CallerResult | str:
        """The trial's outcome; before it, ``ready`` and ``over`` (see `bench.caller.call.call`).

        Raises:
            LabError: the caller died.
        """
        try:
            found: CallerResult | str = self.connection.recv()
        except (EOFError, OSError):
            raise LabError("The caller's process died in mid-trial.") from None
        return found

    def unblock(self) -> None:
        """Ends a trial for which no agent will ever connect."""
        if self._socket_path:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as nobody:
                nobody.connect(self._socket_path)

    def stop(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()
        self.connection.close()
        self._scratch.close()


def _main(connection: Connection) -> None:
    for signum in (signal.SIGINT, signal.SIGHUP):  # the run decides
        signal.signal(signum, signal.SIG_IGN)
    warm_up()
    connection.send(raise_priority())
    with contextlib.suppress(EOFError):
        while True:
            plan, path = connection.recv()
            with listen(path) if path else contextlib.nullcontext() as listener:
                connection.send("listening")
                result = call(plan, listener, connection.send)
            connection.send(result)
