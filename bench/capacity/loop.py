"""Many calls in one thread: one loop waits for all sockets and for the mouth that is due next.

A mouth that is due goes before what has arrived: the clock is looked at after every message.
Dialling and hanging up may wait for the agent, so each call has a thread for these, and only these.
Everything costly (rendering the recordings) waits until the last call is over.
"""

from __future__ import annotations

import heapq
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from bench.caller.call import Reached, fault, peak_rss_mb, reach
from bench.caller.connection import AgentGoneError, SocketConnection
from bench.caller.conversation import Conversation
from bench.caller.plan import CallerPlan, CallerResult
from bench.capacity.calls import LEAD_S, Give, Load, Ordered
from bench.lines.line import LineError
from pipelines.clock import NS_PER_S, monotonic_ns
from pipelines.errors import LabError

MOST_CALLS = 900
"""Calls at once: select can wait for 1,024 files at most."""


@dataclass(slots=True)
class _Call:
    """One call."""

    number: int
    plan: CallerPlan
    began_ns: int = 0
    """When it was dialled."""
    reached: Reached | None = None
    conversation: Conversation | None = None
    error: str | None = None
    is_over: bool = False
    wall_s: float = 0.0
    """From its being ready to its end."""

    @property
    def connection(self) -> SocketConnection:
        """Its open connection."""
        connection = self.reached.connection if self.reached else None
        assert isinstance(connection, SocketConnection), "a simulated network is for one call"
        return connection

    @property
    def talk(self) -> Conversation:
        """Its conversation, which has begun."""
        assert self.conversation is not None
        return self.conversation

    def begin(self) -> None:
        """Begins the conversation."""
        self.talk.begin()

    def hear(self) -> None:
        """Takes what has arrived."""
        self.talk.take(*self.connection.arrived())

    def speak(self) -> bool:
        """Says what is due; True when the call is over."""
        return self.talk.speak(self.talk.due_ns)

    def flush(self) -> None:
        """Sends what the agent did not take before."""
        self.connection.flush()


Act = Callable[[_Call], bool | None]
"""Does something of a call; True when the call is over."""


@dataclass(slots=True)
class _Loop:
    """All calls of one load."""

    ordered: Sequence[Ordered]
    began_ns: int
    open_now: int = 0
    most_open: int = 0
    done: list[_Call] = field(default_factory=list)
    _coming: deque[_Call] = field(default_factory=deque)
    """Calls whose dialling is over, from their threads."""
    _talking: dict[socket.socket, _Call] = field(default_factory=dict)
    _due: list[tuple[int, int, _Call]] = field(default_factory=list)
    """A heap: when the mouth of a call is due next."""
    _threads: list[threading.Thread] = field(default_factory=list)

    def run(self) -> None:
        """Makes all calls."""
        inside, outside = socket.socketpair()
        with inside, outside:
            inside.setblocking(False)
            waiting = deque(sorted(range(len(self.ordered)), key=lambda i: self.ordered[i].at_s))
            while len(self.done) < len(self.ordered):
                self._dial_due(waiting, outside)
                next_ns = self._at_ns(waiting[0]) if waiting else monotonic_ns() + NS_PER_S
                self._wait(min(next_ns, self._due[0][0] if self._due else next_ns), inside)
            for thread in self._threads:
                thread.join()

    def _at_ns(self, number: int) -> int:
        return self.began_ns + int(self.ordered[number].at_s * NS_PER_S)

    def _dial_due(self, waiting: deque[int], wake: socket.socket) -> None:
        """Dials for the calls whose time has come, each in a thread."""
        while waiting and self._at_ns(waiting[0]) <= monotonic_ns():
            number = waiting.popleft()
            if self.open_now >= MOST_CALLS:
                raise LabError(f"more than {MOST_CALLS} calls are open at once: the most there are")
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
            call = _Call(number, self.ordered[number].plan, monotonic_ns())
            self._start(partial(self._dial, call, wake))

    def _dial(self, call: _Call, wake: socket.socket) -> None:
        try:
            call.reached = reach(call.plan)
        except Exception as error:
            call.reached = Reached([], f"dialling failed: {error}")
        self._coming.append(call)
        wake.send(b"\0")

    def _wait(self, until_ns: int, inside: socket.socket) -> None:
        """Waits for the agents until a deadline at most, and speaks where it is due."""
        self._speak_due()
        blocked = [s for s, call in self._talking.items() if call.connection.waits_to_send]
        wait_s = max(0, until_ns - monotonic_ns()) / NS_PER_S
        readable, writable, _ = select.select([inside, *self._talking], blocked, [], wait_s)
        self._speak_due()
        for ready in writable:
            if ready in self._talking:
                self._guarded(self._talking[ready], _Call.flush)
        for ready in readable:
            if ready is inside:
                inside.recv(4096)
                self._begin_coming()
            elif ready in self._talking:
                self._guarded(self._talking[ready], _Call.hear)
            self._speak_due()

    def _begin_coming(self) -> None:
        while self._coming:
            call = self._coming.popleft()
            reached = call.reached
            if reached is None or reached.connection is None or reached.socket is None:
                call.error = reached.error if reached else "the call was never dialled"
                self._over(call)
                continue
            call.began_ns = monotonic_ns()
            call.conversation = reached.conversation(call.plan)
            self._talking[reached.socket] = call
            if self._guarded(call, _Call.begin):
                heapq.heappush(self._due, (call.talk.due_ns, call.number, call))

    def _speak_due(self) -> None:
        """Lets every mouth speak that is due, the earliest first."""
        while self._due and self._due[0][0] <= monotonic_ns():
            _, number, call = self._due[0]
            if call.is_over:
                heapq.heappop(self._due)
            elif self._guarded(call, _Call.speak):
                heapq.heapreplace(self._due, (call.talk.due_ns, number, call))

    def _guarded(self, call: _Call, act: Act) -> bool:
        """Does something of a call; False when the call is over by it."""
        try:
            if not act(call):
                return True
        except AgentGoneError as gone:
            try:
                call.talk.left(gone)
            except AgentGoneError as error:
                call.error = fault(error, call.plan.line)
        except LineError as error:
            call.error = fault(error, call.plan.line)
        self._over(call)
        return False

    def _over(self, call: _Call) -> None:
        """Takes a call out of the loop; a thread says good-bye and closes its connection."""
        self.open_now -= 1
        call.is_over = True
        call.wall_s = max(1, monotonic_ns() - call.began_ns) / NS_PER_S
        self.done.append(call)
        reached = call.reached
        if reached is not None and reached.socket is not None:
            self._talking.pop(reached.socket, None)
            self._start(partial(_hang_up, reached, says_so=call.error is None))

    def _start(self, act: Callable[[], None]) -> None:
        thread = threading.Thread(target=act, daemon=True)
        self._threads.append(thread)
        thread.start()


def play(ordered: Sequence[Ordered], give: Give) -> Load:
    """Makes all calls by one loop; see `bench.capacity.calls.Way`."""
    loop = _Loop(ordered, monotonic_ns() + int(LEAD_S * NS_PER_S))
    cpu_s = time.process_time()
    loop.run()
    wall_s = (monotonic_ns() - loop.began_ns) / NS_PER_S
    cpu_s = time.process_time() - cpu_s
    talked_s = sum(call.wall_s for call in loop.done)
    for call in loop.done:
        result = _result(call)
        # One thread for all: a call's own CPU time is its share by time.
        result.cpu_s = cpu_s * call.wall_s / talked_s
        give(call.number, result)
        call.conversation = None  # its audio is given away
    return Load(loop.began_ns, wall_s, cpu_s, loop.most_open)


def _result(call: _Call) -> CallerResult:
    marks = call.reached.marks if call.reached else []
    if call.conversation is None:
        return CallerResult("error", call.error, 0, 0, marks, wall_s=call.wall_s)
    result = call.conversation.result(call.error)
    result.marks = [*marks, *result.marks]
    result.wall_s, result.rss_peak_mb = call.wall_s, peak_rss_mb()
    return result


def _hang_up(reached: Reached, *, says_so: bool) -> None:
    with reached:
        if says_so and reached.connection is not None:
            reached.connection.hang_up()
