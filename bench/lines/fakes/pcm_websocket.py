"""A server that takes and gives raw PCM in the binary messages of a WebSocket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from bench.lines.fakes.peer import Play
from bench.lines.fakes.websocket import serving_by

RATE_HZ = 24_000
"""Rate of the audio that it sends."""


class PcmWebSocketPeer:
    """One conversation that the server has taken.

    Args:
        connection: Of the websockets package.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self._received = 0

    def speak(self, pcm: bytes) -> None:
        """See `Peer.speak`."""
        self.connection.send(pcm)

    def wait_for_chunk(self, k: int) -> None:
        """See `Peer.wait_for_chunk`; a message is a chunk."""
        while self._received <= k:
            try:
                self.connection.recv()
            except ConnectionClosed:
                return
            self._received += 1


@contextmanager
def serving(play: Play) -> Iterator[str]:
    """Within, a server on this machine plays ``play`` with whoever connects; yields its address."""
    with serving_by(PcmWebSocketPeer, play) as url:
        yield url
