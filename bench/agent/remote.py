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
from typing import Any

import psutil

from bench.agent.process import Report, TrialOrder
from bench.agent.server_log import ServerLog
from bench.caller.connection import address_of
from bench.lines import table
from bench.lines.line import LineChoice, LineError
from bench.lines.websocket import shown
from pipelines.errors import LabError, SpecError
from pipelines.marks import Mark
from pipelines.process.family import end_family, family
from pipelines.remote.options import RemoteOptions
from pipelines.remote.readiness import headers
from pipelines.spec import PipelineSpec, read_options

POLL_S = 0.1


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


def require_line(spec: PipelineSpec) -> None:
    """Refuses a preset whose address or options its line can't take, before anything is played.

    Raises:
        SpecError: it can't; one sentence.
    """
    choice = line_of(spec)
    try:
        address_of(choice.url)
        table.make(choice)
    except LineError as error:
        raise SpecError(f"{spec.name} [agent]: {error}.") from None


def in_rate_hz(spec: PipelineSpec) -> int:
    """Rate of the user's audio: the protocol's, where it has only one."""
    choice = line_of(spec)
    return table.row_of(choice.name).in_rate_hz(choice.options) or spec.audio.in_rate_hz


class RemoteAgent:
    """The run's handle on an agent elsewhere.

    Args:
        spec: Its preset.
        log: File to which the output of its command is appended; None: it is not kept.
    """

    def __init__(self, spec: PipelineSpec, log: Path | None = None) -> None:
        self.spec = spec
        self.cold_start: list[Mark] = []
        """Nothing of it is ours to load."""
        self.connection, self._answers = mp.Pipe()
        self._options: RemoteOptions = spec.stages["agent"]
        self._process: subprocess.Popen[bytes] | None = None
        self._family = ""
        self._log: ServerLog | None = None
        if self._options.start:
            self._start(log)

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
        if self._log is not None:
            self._log.close()
        self.connection.close()
        self._answers.close()

    def _start(self, log: Path | None) -> None:
        host, port, _ = address_of(self._options.url)
        with contextlib.suppress(OSError), socket.create_connection((host, port), POLL_S):
            raise SpecError(
                f"{self.spec.name} [agent]: something answers at {shown(self._options.url)} before "
                f"{self._options.start!r} is started: end it, or leave start out to measure it."
            )
        try:
            command = shlex.split(self._options.start)
            with family() as self._family:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except (OSError, ValueError, IndexError) as error:
            raise SpecError(
                f"{self.spec.name} [agent]: start = {self._options.start!r} can't be run: {error}."
            ) from None
        assert self._process.stdout is not None
        keys = [os.environ.get(name, "") for name in self._options.headers_from_env.values()]
        self._log = ServerLog(self._process.stdout, log, keys)

    def _wait_for_port(self) -> None:
        host, port, _ = address_of(self._options.url)
        end_s = time.monotonic() + self._options.start_timeout_s
        while time.monotonic() < end_s:
            if not self.alive:
                raise LabError(self.death())
            with contextlib.suppress(OSError), socket.create_connection((host, port), POLL_S):
                return
            time.sleep(POLL_S)
        raise LabError(
            f"nothing answers at {shown(self._options.url)} {self._options.start_timeout_s:g} s "
            f"after {self._options.start!r} was started{self._other_ports(port)}{self._said()}"
        )

    def _other_ports(self, wanted: int) -> str:
        """The ports at which it listens in place of the one wanted; empty: none is known."""
        assert self._process is not None
        found: set[int] = set()
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self._process.pid)
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    found |= {
                        one.laddr.port
                        for one in process.net_connections("tcp")
                        if one.status == psutil.CONN_LISTEN
                    }
        ports = " and ".join(map(str, sorted(found - {wanted})))
        return f"; it listens at port {ports}: is the port of url right?" if ports else ""

    def _said(self) -> str:
        """The end of its log, in brackets, and where all of it is."""
        if self._log is None:
            return ""
        end, path = self._log.end(), self._log.path
        kept = f"all it said: {path}" if path else ""
        told = "; ".join(filter(None, (end, kept)))
        return f" ({told})" if told else ""
