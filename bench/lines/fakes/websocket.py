"""A server on this machine's loopback, which plays an agent's part over a WebSocket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from bench.lines.fakes.peer import Peer, Play

HOST = "127.0.0.1"


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
