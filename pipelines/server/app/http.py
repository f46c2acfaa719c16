"""`http`: routes at a port by uvicorn, behind the gate, with bounds on whoever calls."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

from pipelines.errors import LabError
from pipelines.server.access.gate import Gate
from pipelines.server.access.key import PageKey
from pipelines.server.app.address import Address

LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access")
"""They would write every header and message at the level DEBUG, tokens with them."""
MOST_MESSAGE = 1 << 20
"""Bytes of a WebSocket message: what is larger is never gathered."""
MOST_READ = 4
"""Messages of a WebSocket that may wait before no more is read."""
HEADER_S = 10.0
"""Longest time for a client to send a whole request, s."""
BACKLOG = 1_024
"""Connections that may wait to be taken."""


@contextlib.asynccontextmanager
async def http(
    app: Any, listener: socket.socket, address: Address, most: int, key: PageKey | None = None
) -> AsyncIterator[None]:
    """A program's routes at a port, behind the gate, within the block.

    Args:
        app: The routes.
        listener: From `Address.listen`.
        address: Names, origins and certificate.
        most: Connections at a time; one WebSocket more is refused.
        key: Without which nothing is served; None: none is needed.

    Raises:
        LabError: the server ended at once.
    """
    import uvicorn

    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    server: Any = None

    def free() -> bool:
        return len(server.server_state.connections) <= most

    gate = Gate(
        app,
        address.names,
        lambda: listener.getsockname()[1],
        hosts=address.hosts,
        origins=[origin.lower().rstrip("/") for origin in address.origins],
        scheme=address.scheme,
        free=free,
        key=key,
    )
    config = uvicorn.Config(
        gate,
        log_config=None,
        access_log=False,
        lifespan="off",
        loop="none",
        ws=_socket_class(),
        ws_max_size=MOST_MESSAGE,
        ws_per_message_deflate=False,  # speech does not shrink, and it would cost a core
        timeout_keep_alive=5,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    config.load()
    config.ssl = address.secure
    server = _server_class()(config)
    listener.listen(BACKLOG)  # only now: who calls while models load is refused at once
    running = asyncio.create_task(server.serve(sockets=[listener]))
    reaping = asyncio.create_task(_reap(server))
    try:
        started = asyncio.create_task(server.up.wait())
        await asyncio.wait({started, running}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if running.done():
            running.result()
            raise LabError(f"the server at port {listener.getsockname()[1]} ended at once")
        yield
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await running
        reaping.cancel()


def _socket_class() -> Any:
    """Uvicorn's WebSocket, which reads on while a few messages wait.

    Its own stops reading at every message and goes on when that is taken: two calls of the system
    for each, a tenth of the server's work for users who listen.
    """
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    class Socket(WebSocketsSansIOProtocol):
        def send_receive_event_to_app(self) -> None:
            if self.read_paused or self.queue.qsize() >= MOST_READ:
                super().send_receive_event_to_app()
                return
            self.read_paused = True  # so that it does not stop reading
            super().send_receive_event_to_app()
            self.read_paused = False

    return Socket


def _server_class() -> Any:
    """Uvicorn's server, which leaves the signals to us."""
    import uvicorn

    class Server(uvicorn.Server):
        def __init__(self, config: uvicorn.Config) -> None:
            super().__init__(config)
            self.up = asyncio.Event()
            """Set once it listens."""

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            self.up.set()

        @contextlib.contextmanager
        def capture_signals(self) -> Any:
            yield

    return Server


async def _reap(server: Any) -> None:
    """Cuts connections off on which no whole request came in time, or that can't be closed.

    uvicorn waits for a request's end for ever; whoever opens many and sends nothing would take the
    server's every connection. A client that does not read its last bytes would keep its own.
    """
    seen: dict[Any, float] = {}
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(HEADER_S / 4)
        waiting = {
            one
            for one in server.server_state.connections
            if getattr(one, "cycle", True) is None or one.transport.is_closing()
        }
        seen = {one: seen.get(one, loop.time()) for one in waiting}
        for one, since_s in seen.items():
            if loop.time() - since_s > HEADER_S:
                one.transport.abort()
