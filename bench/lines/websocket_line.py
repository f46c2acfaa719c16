"""The common half of every line that rides on a WebSocket: handshake, good-bye, errors, counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bench.lines.line import Audio, Bye, Clear, Event, LineError, QuietLine
from bench.lines.websocket import Channel, Closed, Opened
from pipelines.wires.error import WireError


class WebSocketLine(QuietLine):
    """A line whose module says what the messages mean.

    Args:
        url: ``ws://…`` or ``wss://…`` of the agent.
        headers: Headers of the HTTP request that opens the WebSocket.

    Raises:
        LineError: the URL is not one of a WebSocket.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.channel = Channel(url, headers)
        self.received = 0
        """Samples of the agent's that have arrived."""
        self._generation = 0
        self._chunks = 0

    def hello(self) -> bytes:
        """The HTTP request that opens the WebSocket."""
        return self.channel.hello()

    def feed(self, data: bytes) -> list[Event]:
        """See `bench.lines.line.Line.feed`."""
        events: list[Event] = []
        try:
            for arrived in self.channel.feed(data):
                if isinstance(arrived, Opened):
                    events += self.opened()
                elif isinstance(arrived, Closed):
                    events.append(Bye(_reason(arrived)))
                elif isinstance(arrived, bytes):
                    events += self.binary(arrived)
                else:
                    events += self.text(arrived)
        except WireError as error:
            raise LineError(f"{self.channel.name}: {error}") from None
        return events

    def owed(self) -> bytes:
        """Pongs, the answer to a close, and what was queued meanwhile."""
        return self.channel.owed()

    def bye(self) -> bytes:
        """A normal close."""
        return self.channel.close()

    def opened(self) -> list[Event]:
        """The WebSocket is open: queues the first messages."""
        return []

    def text(self, message: str) -> list[Event]:
        """The meaning of a text message."""
        raise WireError("text arrived where audio is due: the protocol has binary messages only")

    def binary(self, message: bytes) -> list[Event]:
        """The meaning of a binary message."""
        raise WireError("a binary message arrived: the protocol has JSON in text messages only")

    def audio(
        self,
        pcm: npt.NDArray[np.int16],
        rate_hz: int | None = None,
        generation: int | None = None,
    ) -> Audio:
        """An event of (n,) samples.

        Args:
            pcm: (n,) int16.
            rate_hz: Their rate, where the message states it.
            generation: Number of clears before they were made; None: as of now.
        """
        given = self._generation if generation is None else generation
        self.received += len(pcm)
        self._chunks += 1
        return Audio(f"g{given}:{self._chunks - 1}", given, pcm, rate_hz)

    @property
    def generation(self) -> int:
        """Number of clears so far."""
        return self._generation

    def clear(self) -> Clear:
        """An event that drops all audio before it that is not yet heard."""
        self._generation += 1
        return Clear(self._generation)


NORMAL = (1000, 1001, 1005)
"""Close codes of a connection that ends as it should: done, going away, none given."""


def _reason(closed: Closed) -> str:
    """What a peer says as it closes: its words, and its code where that is not a normal one."""
    code = "" if closed.code in NORMAL else f"(close code {closed.code})"
    return " ".join(filter(None, (closed.reason, code)))
