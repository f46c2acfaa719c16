"""A server on this machine's loopback, which plays an agent's part over a WebSocket.

Its peers also hear what the caller sends, chunk by chunk, for `bench.lines.fakes.clicker`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
import numpy.typing as npt
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from bench.lines.fakes.peer import Peer, Play

HOST = "127.0.0.1"
CHUNK_MS = 20
"""Length of one of the caller's chunks, ms."""


class WebSocketPeer:
    """One conversation that a server has taken; its module says what the messages mean.

    Args:
        connection: Of the websockets package.
    """

    IN_RATE_HZ = 16_000
    """Rate of the caller's audio."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self._samples = 0

    def decode(self, message: str | bytes) -> npt.NDArray[np.int16] | None:
        """(n,) samples of a message; None: it holds none."""
        raise NotImplementedError

    def speak(self, pcm: bytes) -> None:
        """See `Peer.speak`."""
        raise NotImplementedError

    def hear(self) -> npt.NDArray[np.int16] | None:
        """The next audio of the caller's, (n,) samples; None: it has hung up."""
        while True:
            try:
                pcm = self.decode(self.connection.recv())
            except ConnectionClosed:
                return None
            if pcm is not None:
                self._samples += len(pcm)
                return pcm

    def wait_for_chunk(self, k: int) -> None:
        """See `Peer.wait_for_chunk`."""
        while self._samples <= k * CHUNK_MS * self.IN_RATE_HZ // 1000:
            if self.hear() is None:
                return


@contextmanager
def serving_by(
    make: Callable[[ServerConnection], Peer], play: Play, path: str = "/talk"
) -> Iterator[str]:
    """Within, a server takes connections, makes a peer of each, and plays ``play`` with it.

    Yields:
        Its address, ``ws://…``.
    """

    def converse(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):  # the caller has hung up
            play(make(connection))

    with serve(converse, HOST, 0, compression=None, max_size=16 << 20) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://{HOST}:{server.socket.getsockname()[1]}{path}"
        finally:
            server.shutdown()
            thread.join()
