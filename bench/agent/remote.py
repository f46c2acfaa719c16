"""An agent elsewhere: the caller dials it, and no process of ours plays it.

It shows the run the same face as `bench.agent.process.AgentProcess`. A command that starts it is
run once for all trials; its processes are measured like those of an agent of ours, and ended.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import shlex
import signal
import socket
import subprocess
import time
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import urlsplit

from bench.agent.process import Report, TrialOrder
from bench.caller.connection import PORTS
from bench.lines import table
from bench.lines.line import LineChoice, LineError
from bench.lines.websocket import shown
from pipelines.errors import LabError, SpecError
from pipelines.marks import Mark
from pipelines.process.family import end_family, family
from pipelines.remote.options import RemoteOptions
from pipelines.remote.readiness import headers
from pipelines.secrets import redact
from pipelines.spec import PipelineSpec, read_options

POLL_S = 0.1
LOG_TAIL = 400
"""Characters of a dead server's log that its error quotes."""


def line_of(spec: PipelineSpec) -> LineChoice:
    """The line of a preset whose agent is elsewhere, with its checked options and its headers.

    Raises:
        SpecError: there is no such line, the lab itself dials it, or an option is wrong.
    """
    options: RemoteOptions = spec.stages["agent"]
    try:
        row = table.row_of(options.line)
    except LineError as error:
        raise SpecError(f"{spec.name} [agent]: {error}.") from None
    if row.refusal:
        raise SpecError(f"{spec.name} [agent]: line = {options.line!r} {row.refusal}.")
    if row.connects != "caller":
        raise SpecError(f"{spec.name} [agent]: line = {options.line!r} is not one to be dialled.")
    read: Any = read_options(row.options, options.options, f"{spec.name} [agent.options]")
    more = {part.name: getattr(read, part.name) for part in fields(row.options)}
    given = headers(options)
    return LineChoice(options.line, options.url, {**more, **({"headers": given} if given else {})})


def in_rate_hz(spec: PipelineSpec) -> int:
    """Rate of the user's audio: the protocol's, where it has only one."""
    choice = line_of(spec)
    return table.row_of(choice.name).in_rate_hz(choice.options) or spec.audio.in_rate_hz


class RemoteAgent:
    """The run's handle on an agent elsewhere.

    Args:
        spec: Its preset.
        log: File to which the output of its command is written; None: one that is thrown away.
    """

    def __init__(self, spec: PipelineSpec, log: Path | None = None) -> None:
        self.spec = spec
        self.cold_start: list[Mark] = []
        """Nothing of it is ours to load."""
        self.connection, self._answers = mp.Pipe()
        self._options: RemoteOptions = spec.stages["agent"]
        self._process: subprocess.Popen[bytes] | None = None
        self._family = ""
        # Closed by `stop`.
        self._log: IO[bytes] = log.open("w+b") if log else TemporaryFile()  # noqa: SIM115
        if self._options.start:
            self._start()

    @property
    def pid(self) -> int:
        """The process id of what its command started; 0: none, and no costs are known."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        """Whether it can be called, as far as it is ours to know."""
        return self._process is None or self._process.poll() is None

    def ask(self, order: TrialOrder | str) -> None:
        """Answers at once: whatever an agent elsewhere does, the caller alone sees."""
        if order != "stop":
            self._answers.send(Report("prepared" if order == "prepare" else "done"))

    def receive(self) -> Report:
        """The next report."""
        report: Report = self.connection.recv()
        return report

    def wait(self, timeout_s: float) -> Report:
        """Waits until its port answers, where its command was started here.

        Raises:
            LabError: it died, or did not answer in time.
        """
        if self._process is not None:
            self._wait_for_port()
        return self.receive()

    def death(self) -> str:
        """One sentence on how the process ended, with the end of its log."""
        code = self._process.poll() if self._process else None
        return f"the agent's command ended with exit code {code}{self._said()}"

    def ask_to_stop(self) -> None:
        """Asks what was started to end."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def stop(self, grace_s: float = 5.0) -> None:
        """Ends what was started, and all that it has started."""
        self.ask_to_stop()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            end_family(self._family)
        self._log.close()
        self.connection.close()
        self._answers.close()

    def _start(self) -> None:
        try:
            command = shlex.split(self._options.start)
            with family() as self._family:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except (OSError, ValueError, IndexError) as error:
            self._log.close()
            raise SpecError(
                f"{self.spec.name} [agent]: start = {self._options.start!r} can't be run: {error}."
            ) from None

    def _wait_for_port(self) -> None:
        parts = urlsplit(self._options.url)
        address = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
        end_s = time.monotonic() + self._options.start_timeout_s
        while time.monotonic() < end_s:
            if not self.alive:
                raise LabError(self.death())
            with contextlib.suppress(OSError), socket.create_connection(address, POLL_S):
                return
            time.sleep(POLL_S)
        raise LabError(
            f"nothing answers at {shown(self._options.url)} {self._options.start_timeout_s:.0f} s "
            f"after {self._options.start!r} was started{self._said()}"
        )

    def _said(self) -> str:
        """The end of its log, in brackets."""
        self._log.flush()
        self._log.seek(0)
        text = redact(self._log.read().decode("utf-8", "replace")).strip()
        return f" ({text[-LOG_TAIL:]})" if text else ""
