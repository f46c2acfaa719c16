"""An agent in virtual time: a conversation with it takes no real time, and no socket."""

from __future__ import annotations

from collections.abc import Iterable

from bench.caller.connection import Direct
from bench.lines.line import Chunk, Event, Line, QuietLine
from pipelines.clock import FakeClock


class SilentLine(QuietLine):
    """A line whose bytes mean nothing: the events come from elsewhere."""

    def feed(self, data: bytes) -> list[Event]:
        """Nothing."""
        return []

    def encode(self, chunk: Chunk) -> bytes:
        """The chunk's index, so that a test can count."""
        return chunk.k.to_bytes(4, "big")


class VirtualConnection(Direct):
    """The connection to an agent that follows a script.

    Args:
        clock: Moved forward by every wait.
        script: (time of arrival in ns on that clock, what arrives), by time.
    """

    def __init__(self, clock: FakeClock, script: Iterable[tuple[int, Event]]) -> None:
        self.line: Line = SilentLine()
        self.sent: list[bytes] = []
        """Bytes that the caller has sent."""
        self._clock = clock
        self._script = list(script)

    def send(self, data: bytes) -> None:
        """Keeps the bytes."""
        self.sent.append(data)

    def listen(self, until_ns: int) -> tuple[list[Event], int]:
        """Moves the clock to the next arrival, or to the deadline where none comes before."""
        arrives_ns = self._script[0][0] if self._script else until_ns
        if arrives_ns >= until_ns:
            self._clock.advance(max(0, until_ns - self._clock()))
            return [], self._clock()
        self._clock.advance(max(0, arrives_ns - self._clock()))
        return [self._script.pop(0)[1]], self._clock()

    def hang_up(self) -> None:
        """Nothing: the script is over."""
