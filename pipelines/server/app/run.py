"""`serve`: loads the models, opens the port, and drains when the process is asked to end."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import LabError
from pipelines.heap import lasting
from pipelines.server.access.gate import Gate
from pipelines.server.access.tokens import Verifier
from pipelines.server.app.app import make_app
from pipelines.server.doors.door import DoorRow, House
from pipelines.server.service.service import VoiceService

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access")
"""They would write every header and message at the level DEBUG, tokens with them."""
MOST_MESSAGE = 1 << 20
"""Bytes of a WebSocket message: what is larger is never gathered."""
HEADER_S = 10.0
"""Longest time for a client to send a whole request, s."""
SWITCH_S = 0.0005
"""Longest time for which a thread keeps the GIL while the loop waits for it, s; Python's default is
ten times that, and a chunk would wait for it."""
SEND_BYTES = 1 << 16
"""Bytes that wait in the system for a client to take them (the system doubles it): more would hide
for minutes that it does not."""
BACKLOG = 1_024
"""Connections that may wait to be taken."""
NEEDED = ("fastapi", "uvicorn", "jwt", "prometheus_client", "cbor2")
"""Packages of the extra ``serve``."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens, and what it may be called."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0: a free one."""
    hosts: tuple[str, ...] = ()
    """Values of the Host header of a proxy before it, whole."""
    origins: tuple[str, ...] = ()
    """Pages of other addresses that may connect."""
    public_url: str = ""
    """Address by which others reach it, with a proxy before it; empty: its own."""
    certificate: Path | None = None
    """PEM file of TLS; None: plain HTTP."""
    key: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether this machine alone can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Beside:
    """The sidecar, if it is wanted."""

    port: int | None = None
    """Of its HTTP, at 127.0.0.1; None: there is none."""
    socket: Path | None = None
    """Of its Unix socket; None: there is none."""

    def told(self) -> list[str]:
        """What to tell whoever runs the server, a line each."""
        found = []
        if self.port is not None:
            found.append(f"sidecar: http://127.0.0.1:{self.port} (JSON or CBOR)")
        if self.socket is not None:
            found.append(f"sidecar: {self.socket} (CBOR behind its length)")
        return found


NOTHING_BESIDE = Beside()


def check(address: Address, verifier: Verifier | None) -> None:
    """Refuses a server that can't or must not run.

    Raises:
        LabError: a package is missing, or others could reach it without a token.
    """
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise LabError(
                f"The server needs the package {name!r}: install the extra duplex-lab[serve] "
                "(make setup does)."
            )
    if not address.is_local and verifier is None:
        raise LabError(
            f"--host {address.host}: others could talk to this machine's agents without a token. "
            "Give --token-secret-env NAME or --jwks FILE, or listen at 127.0.0.1."
        )


@contextlib.asynccontextmanager
async def serving(
    service: VoiceService,
    address: Address,
    verifier: Verifier | None = None,
    doors: Sequence[DoorRow] | None = None,
    twilio_token: str = "",
    beside: Beside = NOTHING_BESIDE,
) -> AsyncIterator[str]:
    """Serves within the block; gives the address once the models are loaded and the port is open.

    Args:
        service: The presets.
        address: Where to listen.
        verifier: Checks tokens; None: this machine's programs may all come in.
        doors: Those that are open; None: all.
        twilio_token: Auth token of a Twilio account; empty: none is known.
        beside: The sidecar.

    Raises:
        LabError: a model can't be loaded, the port can't be opened, or `check` refuses.
    """
    check(address, verifier)
    async with contextlib.AsyncExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(_listen(address)))
        port = listener.getsockname()[1]
        scheme = "https" if address.certificate else "http"
        url = f"{scheme}://{'127.0.0.1' if address.is_local else address.host}:{port}"
        house = House(service, verifier, address.public_url or url, twilio_token)
        app = make_app(house, doors)
        await service.start()
        stack.push_async_callback(service.close)
        stack.enter_context(lasting())
        stack.enter_context(_prompt_threads())
        await stack.enter_async_context(_sidecar(service, beside))
        await stack.enter_async_context(_http(app, listener, address, service))
        try:
            yield url
        finally:
            await service.drain("the server is shutting down")


@contextlib.contextmanager
def _prompt_threads() -> Iterator[None]:
    """Within, a thread that computes (a voice detector's) leaves the loop the GIL in time."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)


@contextlib.asynccontextmanager
async def _sidecar(service: VoiceService, beside: Beside) -> AsyncIterator[None]:
    """The sidecar within the block, where it is wanted."""
    from pipelines.server.sidecar import http, unix
    from pipelines.server.sidecar.contract import Sidecar

    async with contextlib.AsyncExitStack() as stack:
        sidecar = Sidecar(service)
        if beside.port is not None:
            address = Address(port=beside.port)
            listener = stack.enter_context(contextlib.closing(_listen(address)))
            app = http.make_app(sidecar)
            await stack.enter_async_context(_http(app, listener, address, service))
        if beside.socket is not None:
            await stack.enter_async_context(unix.serving(sidecar, beside.socket))
        stack.push_async_callback(sidecar.aclose)
        yield


@contextlib.asynccontextmanager
async def _http(
    app: Any, listener: socket.socket, address: Address, service: VoiceService
) -> AsyncIterator[None]:
    """A program's routes at a port, behind the gate, within the block."""
    import uvicorn

    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    server: Any = None

    def free() -> bool:
        return len(server.server_state.connections) <= service.limits.connections

    gate = Gate(
        app,
        dict.fromkeys((*LOOPBACK_NAMES, address.host, *_own_names(address))),
        lambda: listener.getsockname()[1],
        hosts=address.hosts,
        origins=[origin.lower().rstrip("/") for origin in address.origins],
        scheme="https" if address.certificate else "http",
        free=free,
    )
    config = uvicorn.Config(
        gate,
        log_config=None,
        access_log=False,
        lifespan="off",
        loop="none",
        ws="websockets-sansio",
        ws_max_size=MOST_MESSAGE,
        ws_per_message_deflate=False,  # speech does not shrink, and it would cost a core
        timeout_keep_alive=5,
        server_header=False,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
        timeout_graceful_shutdown=3,
    )
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


async def until_asked_to_end(serving_at: Callable[[], None]) -> None:
    """Waits for SIGTERM, SIGINT or SIGHUP.

    Args:
        serving_at: Called once the signals are taken.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for signum in signals:
        loop.add_signal_handler(signum, asked.set)
    try:
        serving_at()
        await asked.wait()
    finally:
        for signum in signals:
            loop.remove_signal_handler(signum)


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    try:
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        raise LabError(
            f"the server can't listen at {address.host}:{address.port} ({error.strerror}): choose "
            "another --port."
        ) from None
    return listener


def _own_names(address: Address) -> list[str]:
    """Names by which others reach a server that listens at every address."""
    if address.is_local:
        return []
    return [socket.gethostname()]


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
