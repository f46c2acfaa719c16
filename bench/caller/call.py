"""The caller: one trial of the person, in a process of its own that does nothing else meanwhile."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from bench.caller.connection import (
    CONNECT_TIMEOUT_S,
    AgentGoneError,
    ClosedError,
    Connection,
    SocketConnection,
    accepted,
    dialled,
)
from bench.caller.conversation import Conversation, Early
from bench.caller.ear import Ear
from bench.caller.network import NetworkConnection
from bench.caller.plan import CallerPlan, CallerResult
from bench.lines import table
from bench.lines.line import LOCAL, Bye, Line, LineChoice, LineError, ProtocolError, Ready
from bench.lines.websocket import shown
from pipelines.audio.ambience import STRETCH, WINDOWS_PER_S
from pipelines.clock import NS_PER_S, monotonic_ns
from pipelines.marks import Mark, stamp

WARM_RATE_HZ = 8_000
"""Rate of the audio by which the caller warms up."""


def raise_priority() -> str:
    """Asks for the highest priority that the system allows this process.

    Returns:
        The priority: ``fifo``, ``nice -15`` … or ``normal``.
    """
    if hasattr(os, "sched_setscheduler"):
        with contextlib.suppress(OSError, PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
            return "fifo"
    for nice in (-15, -5):
        with contextlib.suppress(OSError, PermissionError):
            return f"nice {os.nice(nice)}"
    return "normal"


def warm_up() -> None:
    """Does once what takes long the first time only, as numpy loads parts of itself when they are
    first used: in mid-call the caller would be late by some 50 ms.
    """
    ear = Ear(WARM_RATE_HZ, 0)
    for level in (0, 100, 3000):  # silence, ambience, speech
        noise = np.random.default_rng(level).normal(
            0, level, STRETCH * WARM_RATE_HZ // WINDOWS_PER_S
        )
        ear.receive("", 0, np.rint(noise).astype(np.int16), ear.queue_end_ns)
        _ = ear.audible, ear.quietest_dbfs
    ear.clear(1, NS_PER_S)


def call(
    plan: CallerPlan, listener: socket.socket | None, tell: Callable[[str], None]
) -> CallerResult:
    """Runs one trial: connects to the agent, then talks to it.

    Args:
        plan: The trial.
        listener: Where an agent that the lab has started will connect; None: the caller dials.
        tell: Gets ``ready`` when the agent is, and ``over`` just before the caller hangs up: the
            resources that the agent's processes used in between are the conversation's cost.
    """
    reached = reach(plan, listener)
    if reached.connection is None:
        return CallerResult("error", reached.error, 0, 0, reached.marks)
    with reached:
        tell("ready")
        conversation = reached.conversation(plan)
        result = _converse(conversation, reached.connection, tell, plan.line)
    result.marks = [*reached.marks, *result.marks, *marks_of(reached.connection)]
    return result


@dataclass(slots=True)
class Reached:
    """An agent that was called; a context manager that closes the connection."""

    marks: list[Mark]
    """What happened on the way to it."""
    error: str = ""
    """Why it can't be talked to, one sentence; empty: it can."""
    connection: Connection | None = None
    """The open connection; None where there is an error."""
    socket: socket.socket | None = None
    """What it rides on."""
    rate_hz: int = 0
    """Rate of the agent's audio."""
    early: Early = ()
    """What it said with its being ready."""

    def __enter__(self) -> Reached:
        return self

    def __exit__(self, *_: object) -> None:
        if self.socket is not None:
            self.socket.close()

    def conversation(self, plan: CallerPlan) -> Conversation:
        """The conversation that begins now."""
        assert self.connection is not None
        return Conversation(plan, self.connection, self.rate_hz, early=self.early)


def reach(plan: CallerPlan, listener: socket.socket | None = None) -> Reached:
    """Connects to the agent, and waits until it is ready.

    Args:
        plan: The trial.
        listener: Where an agent that the lab has started will connect; None: the caller dials.
    """
    marks: list[Mark] = []
    try:
        line = table.make(plan.line)
        helper = table.row_of(plan.line.name).helper
        help_socket = helper() if helper else None  # its process runs before the call is dialled
        marks += [stamp("line", "dialled", text=plan.line.name)] if listener is None else []
        connected = accepted(listener) if listener else help_socket or dialled(plan.line)
        marks += [stamp("line", "connected")] if listener is None else []
    except (AgentGoneError, LineError) as error:
        return Reached(marks, str(error))
    connection = _connection(plan, connected, line)
    try:
        rate_hz, early = _wait_ready(connection, plan.line)
    except (AgentGoneError, LineError) as error:
        connected.close()
        other = _other(plan.line) if isinstance(error, ProtocolError) else ""
        said = f"{error}{other}{_usual_path(plan.line)}"
        return Reached([*marks, *marks_of(connection)], said)
    except BaseException:
        connected.close()
        raise
    marks += [stamp("line", "agent_ready")] if listener is None else []
    return Reached(marks, "", connection, connected, rate_hz, early)


def _connection(plan: CallerPlan, connected: socket.socket, line: Line) -> Connection:
    """The connection over a socket, with the plan's network before it."""

    def make(codec: Line) -> Connection:
        return SocketConnection(connected, codec)

    if plan.network is None:
        return make(line)
    is_stream = table.row_of(plan.line.name).carrier == "tcp"
    return NetworkConnection(make, line, plan.network, plan.network_seed, is_stream=is_stream)


def marks_of(connection: Connection) -> list[Mark]:
    """What a simulated network did; nothing without one."""
    return connection.marks if isinstance(connection, NetworkConnection) else []


def _wait_ready(connection: Connection, line: LineChoice = LOCAL) -> tuple[int, Early]:
    """Opens the conversation.

    Returns:
        The agent's output rate in Hz, once it is ready, and what it said in the same breath.
    """
    agent = shown(line.url) if line.url else "the agent"
    try:
        connection.send(connection.line.hello())
        deadline_ns = monotonic_ns() + int(CONNECT_TIMEOUT_S * NS_PER_S)
        while monotonic_ns() < deadline_ns:
            events, arrival_ns = connection.listen(deadline_ns)
            for number, event in enumerate(events):
                if isinstance(event, Ready):
                    return event.rate_hz, [(one, arrival_ns) for one in events[number + 1 :]]
                if isinstance(event, Bye):
                    why = f": {event.reason}" if event.reason else ""
                    raise AgentGoneError(f"{agent} ended the conversation in its greeting{why}")
    except ClosedError:
        raise AgentGoneError(
            f"{agent} closed the connection in the handshake, before it was ready{_other(line)}"
        ) from None
    raise AgentGoneError(
        f"{agent} took the connection, and was not ready within {CONNECT_TIMEOUT_S:g} s"
        f"{_other(line)}"
    )


def _usual_path(line: LineChoice) -> str:
    """The paths that agents of this line have as a rule, where the address has another."""
    paths = table.row_of(line.name).paths
    if not line.url or not paths or urlsplit(line.url).path in paths:
        return ""
    return f"; agents of the line {line.name} are at {' or '.join(paths)} as a rule"


def _other(line: LineChoice) -> str:
    """A doubt in the protocol, where somebody chose it."""
    if not line.url:
        return ""
    return f": does it speak the line {line.name}? ('duplex-lab lines' lists them)"


def _converse(
    conversation: Conversation,
    connection: Connection,
    tell: Callable[[str], None],
    line: LineChoice = LOCAL,
) -> CallerResult:
    error: str | None = None
    began_s, cpu_s = time.monotonic(), time.process_time()
    try:
        with _no_gc():
            conversation.run()
        tell("over")
        connection.hang_up()
    except (AgentGoneError, LineError) as gone:
        error = fault(gone, line)
    result = conversation.result(error)
    result.wall_s, result.cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    result.rss_peak_mb = peak_rss_mb()
    return result


def fault(error: AgentGoneError | LineError, line: LineChoice) -> str:
    """What ended a conversation too early, one sentence."""
    return f"{error}{_other(line)}" if isinstance(error, ProtocolError) else str(error)


def peak_rss_mb() -> float:
    """Peak memory of this process, MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss, which begins with the memory of the parent when it started this process.
        lines = status.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


@contextlib.contextmanager
def _no_gc() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
