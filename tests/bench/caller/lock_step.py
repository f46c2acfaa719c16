"""A caller and a fake peer in lock step: whole calls on any line, in virtual time.

The peer plays its part on a thread, as on a real socket, but only one of the two works at a time,
and time passes only where both wait. So a call of seconds takes none, and a delay is exact.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from bench.caller import call
from bench.caller.connection import AgentGoneError, Connection, Direct
from bench.caller.conversation import Conversation
from bench.caller.network import NetworkConnection
from bench.caller.plan import CallerPlan, CallerResult
from bench.lines import table
from bench.lines.line import Event, Line, LineChoice
from pipelines.clock import NS_PER_S, FakeClock

START_NS = 1_000 * NS_PER_S
"""Time at which a call begins."""
URL = "ws://127.0.0.1:80/talk"
PATIENCE_S = 30.0
"""Real seconds after which the other side is taken to have gone astray."""


class Steps:
    """The two sides' turns, and the bytes between them.

    Args:
        clock: Moved where both sides wait.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.to_caller: deque[bytes] = deque()
        self.peer_gone = False
        self.caller_gone = False
        self.wakes_ns: int | None = None
        """Time at which a peer that sleeps wants to go on."""
        self._to_peer = bytearray()
        self._peers, self._callers = threading.Semaphore(0), threading.Semaphore(0)
        self._peer_thread = 0
        self._sleep = time.sleep

    # the caller's side

    def say(self, data: bytes) -> None:
        """Bytes to the peer."""
        self._to_peer += data

    def let_peer_work(self) -> None:
        """Until it waits, sleeps, or has gone."""
        if not self.peer_gone:
            self._peers.release()
            assert self._callers.acquire(timeout=PATIENCE_S), "the peer never waits"

    # the peer's side

    def enter(self) -> None:
        """The first step: waits for its turn."""
        self._peer_thread = threading.get_ident()
        assert self._peers.acquire(timeout=PATIENCE_S), "the caller never waits"

    def leave(self) -> None:
        """The last one."""
        self.peer_gone = True
        self._callers.release()

    def receive(self) -> bytes:
        """What the caller has said; empty: it has hung up."""
        while not self._to_peer and not self.caller_gone:
            self._callers.release()
            self.enter()
        data = bytes(self._to_peer)
        self._to_peer.clear()
        return data

    def sleep(self, seconds: float) -> None:
        """In place of `time.sleep`, which other threads may still want."""
        if threading.get_ident() != self._peer_thread:
            self._sleep(seconds)
            return
        self.wakes_ns = self.clock() + round(seconds * NS_PER_S)
        while self.clock() < self.wakes_ns and not self.caller_gone:
            self._callers.release()
            self.enter()
        self.wakes_ns = None


class StepConnection(Direct):
    """The caller's end; see `bench.caller.connection.Connection`."""

    def __init__(self, line: Line, steps: Steps) -> None:
        self.line = line
        self._steps = steps

    def send(self, data: bytes) -> None:
        """See `Connection.send`."""
        self._steps.say(data)

    def listen(self, until_ns: int) -> tuple[list[Event], int]:
        """See `Connection.listen`."""
        steps = self._steps
        while True:
            steps.let_peer_work()
            if steps.to_caller:
                events = self.line.feed(steps.to_caller.popleft())
                self.send(self.line.owed())
                return events, steps.clock()
            if steps.peer_gone:
                raise AgentGoneError("the agent closed its connection in mid-trial")
            if steps.wakes_ns is None or steps.wakes_ns >= until_ns:
                steps.clock.t_ns = max(until_ns, steps.clock())
                return [], steps.clock()
            steps.clock.t_ns = max(steps.wakes_ns, steps.clock())

    def hang_up(self) -> None:
        """See `bench.caller.connection.SocketConnection.hang_up`."""
        self.send(self.line.bye())


class StepSocket:
    """The peer's end of a local socket."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def connect(self, path: str) -> None:
        """As of `socket.socket`."""
        self._steps.enter()

    def sendall(self, data: bytes) -> None:
        """As of `socket.socket`."""
        if self._steps.caller_gone:
            raise BrokenPipeError
        self._steps.to_caller.append(data)

    def recv(self, size: int) -> bytes:
        """As of `socket.socket`."""
        return self._steps.receive()

    def __enter__(self) -> StepSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._steps.leave()


class StepServer:
    """In place of a server of the websockets package, for one connection.

    Args:
        handler: Plays the peer's part.
        options: Of ``websockets.sync.server.serve``.
    """

    def __init__(self, steps: Steps, handler: Callable[[Any], None], options: Any) -> None:
        self.socket = SimpleNamespace(getsockname=lambda: ("127.0.0.1", 80))
        self._steps, self._handler = steps, handler
        self._protocol = ServerProtocol(max_size=options.get("max_size", 1 << 20))
        self._messages: deque[str | bytes] = deque()
        self._parts: list[Frame] = []

    def serve_forever(self) -> None:
        """Takes the one connection."""
        self._steps.enter()
        try:
            while self._protocol.state is not State.OPEN:
                self._take()
            self._handler(self)
        finally:
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                self._flush()
            self._steps.leave()

    def shutdown(self) -> None:
        """It has ended by itself."""

    def send(self, message: str | bytes) -> None:
        """As of ``ServerConnection``."""
        if self._protocol.state is not State.OPEN or self._steps.caller_gone:
            raise ConnectionClosedOK(None, None)
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._flush()

    def recv(self) -> str | bytes:
        """As of ``ServerConnection``."""
        while not self._messages:
            self._take()
        return self._messages.popleft()

    def _take(self) -> None:
        data = self._steps.receive()
        if not data:
            raise ConnectionClosedOK(None, None)
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._protocol.send_response(self._protocol.accept(event))
            elif isinstance(event, Frame):
                self._take_frame(event)
        self._flush()
        if not self._messages and self._protocol.state in (State.CLOSING, State.CLOSED):
            raise ConnectionClosedOK(None, None)

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.CONT, Opcode.TEXT, Opcode.BINARY):
            self._parts.append(frame)
            if frame.fin:
                whole = b"".join(bytes(part.data) for part in self._parts)
                is_text = self._parts[0].opcode is Opcode.TEXT
                self._messages.append(whole.decode() if is_text else whole)
                self._parts.clear()

    def _flush(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        if data:
            self._steps.to_caller.append(data)


def call_in_steps(
    plan: CallerPlan, play: Callable[[Any], None], line: str
) -> tuple[CallerResult, list[str]]:
    """Plays one call with a line's own fake peer.

    Args:
        plan: The caller's side.
        play: The peer's part; `time.sleep` in it takes virtual time.
        line: Key of the line.

    Returns:
        The result, and what the caller said meanwhile.
    """
    fake = import_module(f"bench.lines.fakes.{line.replace('-', '_')}")
    told: list[str] = []
    steps = Steps(FakeClock(START_NS))
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setattr("time.sleep", steps.sleep)
        patch.setattr(call, "monotonic_ns", steps.clock)
        if table.row_of(line).connects == "caller":
            _replace_server(patch, fake, steps)
            url = stack.enter_context(fake.serving(play))
        else:
            local = SimpleNamespace(socket=lambda family: StepSocket(steps), AF_UNIX=0)
            patch.setattr(fake, "socket", local)
            stack.enter_context(fake.playing("", play))
            url = ""
        stack.callback(_end, steps)
        plan = replace(plan, line=LineChoice(line, url))
        connection = _connection(plan, steps)
        rate_hz, early = call._wait_ready(connection)
        told.append("ready")
        conversation = Conversation(plan, connection, rate_hz, steps.clock, early)
        result = call._converse(conversation, connection, told.append)
        result.marks += call.marks_of(connection)
        return result, told


def _connection(plan: CallerPlan, steps: Steps) -> Connection:
    """The caller's end, with the plan's network before it, as `bench.caller.call` makes it."""
    line = table.make(plan.line)

    def make(codec: Line) -> Connection:
        return StepConnection(codec, steps)

    def wait(t_ns: int) -> None:
        steps.clock.t_ns = max(t_ns, steps.clock())

    if plan.network is None:
        return make(line)
    is_stream = table.row_of(plan.line.name).carrier == "tcp"
    of = (line, plan.network, plan.network_seed)
    return NetworkConnection(make, *of, is_stream=is_stream, clock=steps.clock, wait=wait)


def _replace_server(patch: pytest.MonkeyPatch, fake: Any, steps: Steps) -> None:
    """In the module whose ``serve`` the fake uses."""

    @contextlib.contextmanager
    def serve(handler: Callable[[Any], None], *_: Any, **options: Any) -> Iterator[StepServer]:
        yield StepServer(steps, handler, options)

    for name in (fake.__name__, "bench.lines.fakes.websocket"):
        with contextlib.suppress(ImportError, AttributeError):
            patch.setattr(import_module(name), "serve", serve)


def _end(steps: Steps) -> None:
    """The caller has hung up: the peer plays to its end."""
    steps.caller_gone = True
    while not steps.peer_gone:
        steps.let_peer_work()
