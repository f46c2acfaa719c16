"""A simulated network between the caller and a connection: what it delays, loses and marks.

Deadlines in the caller's own loop, no thread: what is under way is handed on when its time has
come, and stamped with the time that was computed for it. On a line over TCP bytes are under way,
and the codec reads them once they have arrived; on a line of packets, the line's messages are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bench.caller.connection import AgentGoneError, Connection
from bench.caller.way import Channel, Passed, Way, packets_of
from bench.lines.line import Audio, Chunk, Event, Line, LineError, QuietLine, Sent
from pipelines.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns
from pipelines.marks import EventName, Mark, stamp
from pipelines.network.conditions import Network

UP, DOWN = "up", "down"


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes of the agent's, not read by the line's codec yet."""

    data: bytes


class Bare(QuietLine):
    """A line that reads nothing: bytes go to the codec once the network has let them pass.

    Args:
        line: The codec.
    """

    def __init__(self, line: Line) -> None:
        self._line = line

    def feed(self, data: bytes) -> list[Event]:
        """The bytes, as they are."""
        return [Bytes(data)]  # type: ignore[list-item]

    def encode(self, chunk: Chunk) -> bytes:
        """As the codec does."""
        return self._line.encode(chunk)

    def bye(self) -> bytes:
        """As the codec does."""
        return self._line.bye()

    def remark(self) -> str:
        """As the codec does."""
        return self._line.remark()


@dataclass(frozen=True, slots=True)
class _Up:
    """Bytes on their way to the agent."""

    data: bytes
    k: int | None = None
    """Index of the user's chunk that they are; None: something else."""


def sleep_until(t_ns: int) -> None:
    """Waits on the machine's clock."""
    time.sleep(max(0, t_ns - monotonic_ns()) / NS_PER_S)


class NetworkConnection:
    """A connection with a network before it; see `bench.caller.connection.Connection`.

    Args:
        make: Makes the connection itself, with the codec that it is to use.
        line: The codec of this conversation.
        network: The network.
        seed: The same seed gives the same fates.
        is_stream: Whether the line runs over TCP.
        clock: The machine's monotonic clock, ns.
        wait: Waits until a time, when the agent has gone and its last words are under way.
    """

    def __init__(
        self,
        make: Callable[[Line], Connection],
        line: Line,
        network: Network,
        seed: str,
        *,
        is_stream: bool,
        clock: Clock = monotonic_ns,
        wait: Callable[[int], None] = sleep_until,
    ) -> None:
        self.line = line
        self.marks: list[Mark] = []
        """What the network did."""
        self._inner = make(Bare(line) if is_stream else line)
        self._is_stream = is_stream
        self._clock, self._wait = clock, wait
        now_ns, trip_ms = clock(), network.round_trip_ms
        up, down = (
            Channel(way, f"{network.seed}/{seed}/{name}", now_ns)
            for way, name in ((network.up, UP), (network.down, DOWN))
        )
        self._up: Way[_Up] = Way(up, trip_ms, is_stream=is_stream)
        self._down: Way[Event | Bytes | Exception] = Way(down, trip_ms, is_stream=is_stream)
        self.up_delay_ns = up.delay_ns
        self._stall_ns = {UP: 0, DOWN: 0}
        """End of the last stall that was marked."""
        self._added_ns: dict[int, int] = {}
        """Index of a chunk that is not reported as sent yet → what the network added to its way."""
        self._is_gone = False
        """Whether the agent has closed the connection."""

    def send(self, data: bytes) -> None:
        """See `Connection.send`."""
        if data:
            self._put_up(_Up(data), self._clock())
        self._pass_up()

    def speak(self, chunk: Chunk) -> None:
        """See `Connection.speak`; a chunk that is lost for good is silence in its place."""
        now_ns = self._clock()
        if self._is_stream:
            self._put_up(_Up(self.line.encode(chunk), chunk.k), now_ns)
        else:
            (fate,) = self._up.fates(now_ns, 1)
            pcm = np.zeros_like(chunk.pcm) if fate.is_lost else chunk.pcm
            # To the agent's side, the chunk is due when it arrives.
            due_ns = chunk.due_ns + fate.arrives_ns - now_ns
            data = self.line.encode(replace(chunk, pcm=pcm, due_ns=due_ns))
            self._up.put(_Up(data, chunk.k), now_ns, [fate])
        self._pass_up()

    def listen(self, until_ns: int) -> tuple[list[Event], int]:
        """See `Connection.listen`."""
        while True:
            self._pass_up()
            passed = self._down.take(self._clock())
            if passed is not None:
                return self._arrived(passed), passed.arrives_ns
            if self._clock() >= until_ns:
                return [], self._clock()
            times = (until_ns, self._up.next_ns, self._down.next_ns)
            self._hear(min(t_ns for t_ns in times if t_ns is not None))

    def hang_up(self) -> None:
        """See `Connection.hang_up`: audio that is still under way never arrives."""
        for up in self._up.take_all():
            if up.k is None:
                self._inner.send(up.data)
        self._inner.hang_up()

    def remark(self) -> str:
        """See `Connection.remark`."""
        return self._inner.remark()

    def _put_up(self, up: _Up, now_ns: int) -> None:
        """Sends bytes, on a line over TCP as so many packets."""
        packets = packets_of(len(up.data)) if self._is_stream and up.data else 0
        self._up.put(up, now_ns, self._up.fates(now_ns, packets))

    def _pass_up(self) -> None:
        """Hands on what has arrived at the agent's end by now."""
        while (passed := self._up.take(self._clock())) is not None:
            self._inner.send(passed.item.data)
            k = passed.item.k
            if k is not None and self.line.reports_sent:
                self._added_ns[k] = passed.added_ns
            self._mark(UP, passed, "" if k is None else f"u{k}", self._clock())

    def _hear(self, until_ns: int) -> None:
        """Puts what comes from the agent until a time under way."""
        if self._is_gone:
            self._wait(until_ns)
            return
        try:
            found, at_ns = self._inner.listen(until_ns)
        except (AgentGoneError, LineError) as gone:
            self._is_gone = True
            self._down.put(gone, self._clock())
            return
        events: list[Event | Bytes] = [*found]
        for event in events:
            packets, sent_ns = int(isinstance(event, Audio)), at_ns
            if isinstance(event, Audio):
                sent_ns = event.at_ns or at_ns
            if isinstance(event, Bytes):
                packets = packets_of(len(event.data))
            self._down.put(event, sent_ns, self._down.fates(sent_ns, packets))

    def _arrived(self, passed: Passed[Event | Bytes | Exception]) -> list[Event]:
        """The events of what has arrived, and of all that arrives with it."""
        events = self._read(passed)
        while self._down.next_ns == passed.arrives_ns:
            if isinstance(self._down.next_item, Exception):
                break
            more = self._down.take(passed.arrives_ns)
            assert more is not None
            events += self._read(more)
        return events

    def _read(self, passed: Passed[Event | Bytes | Exception]) -> list[Event]:
        item = passed.item
        if isinstance(item, Exception):
            raise item
        if not isinstance(item, Bytes):
            if isinstance(item, Audio):
                self._mark(DOWN, passed, item.chunk_id, passed.sent_ns)
                item = replace(item, at_ns=None)  # the network's time is that of its arrival
                if passed.lost:
                    item = replace(item, pcm=np.zeros_like(item.pcm))
            elif isinstance(item, Sent):
                item = replace(item, at_ns=item.at_ns - self._added_ns.pop(item.k, 0))
            return [item]
        events = self.line.feed(item.data)
        spoken = [event.chunk_id for event in events if isinstance(event, Audio)]
        for chunk_id in spoken or [""]:
            self._mark(DOWN, passed, chunk_id, passed.sent_ns)
            passed = replace(passed, fates=())  # its losses are marked once
        if owed := self.line.owed():
            self.send(owed)
        return events

    def _mark(
        self, way: str, passed: Passed[_Up] | Passed[Event | Bytes | Exception], of: str, t_ns: int
    ) -> None:
        """Marks what the network did to something; nothing, where it did nothing."""
        event: EventName = "passed_up" if way == UP else "passed_down"
        if of and passed.added_ns:
            added_ms = passed.added_ns / NS_PER_MS
            self.marks.append(stamp("network", event, t_ns=t_ns, request_id=of, value=added_ms))
        if passed.lost:
            self.marks.append(_mark("lost", passed.sent_ns, of, way, passed.lost))
        if passed.stall_ns > self._stall_ns[way]:
            self._stall_ns[way] = passed.stall_ns
            ms = (passed.stall_ns - passed.sent_ns) / NS_PER_MS
            self.marks.append(_mark("stalled", passed.sent_ns, of, way, ms))


def _mark(event: EventName, t_ns: int, of: str, way: str, value: float) -> Mark:
    return stamp("network", event, t_ns=t_ns, request_id=of, value=float(value), text=way)
