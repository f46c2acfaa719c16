"""`serve`: loads the models, opens the port, and drains when the process is asked to end."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import LabError
from pipelines.heap import lasting
from pipelines.server.access.key import PageKey
from pipelines.server.access.tokens import Verifier
from pipelines.server.app.address import Address
from pipelines.server.app.app import make_app
from pipelines.server.app.http import http
from pipelines.server.doors.door import DoorRow, House, People
from pipelines.server.service.service import VoiceService

SWITCH_S = 0.0005
"""Longest time for which a thread keeps the GIL while the loop waits for it, s; Python's default is
ten times that, and a chunk would wait for it."""
NEEDED = ("fastapi", "uvicorn", "jwt", "prometheus_client", "cbor2")
EXTRAS = {"serve": NEEDED, "talk": (*NEEDED, "aiortc", "av")}
"""Extra of ours → its packages."""


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


def check_installed(extra: str = "serve") -> None:
    """Refuses a server whose packages are not there.

    Raises:
        LabError: the extra is not installed.
    """
    for name in EXTRAS[extra]:
        if importlib.util.find_spec(name) is None:
            raise LabError(
                f"The server needs the package {name!r}: install the extra duplex-lab[{extra}] "
                "(make setup does)."
            )


def check(address: Address, verifier: Verifier | None, key: PageKey | None = None) -> None:
    """Refuses a server that can't or must not run.

    Raises:
        LabError: a package is missing, or others could reach it without a token or a key.
    """
    check_installed()
    if not address.is_local and verifier is None and key is None:
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
    people: People | None = None,
) -> AsyncIterator[str]:
    """Serves within the block; gives the address once the models are loaded and the port is open.

    Args:
        service: The presets.
        address: Where to listen.
        verifier: Checks tokens; None: this machine's programs may all come in.
        doors: Those that are open; None: all.
        twilio_token: Auth token of a Twilio account; empty: none is known.
        beside: The sidecar.
        people: Of the pages for people.

    Raises:
        LabError: a model can't be loaded, the port can't be opened, or `check` refuses.
    """
    people = people or People()
    check(address, verifier, people.key)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_clients_may_go())
        listener = stack.enter_context(contextlib.closing(address.listen()))
        url = address.url(listener.getsockname()[1])
        public = address.public_url or url
        house = House(service, verifier, public, twilio_token, people)
        app = make_app(house, doors)
        most = service.limits.connections
        await service.start()
        stack.push_async_callback(service.close)
        stack.enter_context(lasting())
        stack.enter_context(_prompt_threads())
        await stack.enter_async_context(_sidecar(service, beside))
        await stack.enter_async_context(http(app, listener, address, most, people.key))
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


@contextlib.contextmanager
def _clients_may_go() -> Iterator[None]:
    """A task that sends to a client which has just gone (aiortc's, for one) prints no traceback."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def handle(of: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), ConnectionError):
            before(of, context) if before else of.default_exception_handler(context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(before)


@contextlib.asynccontextmanager
async def _sidecar(service: VoiceService, beside: Beside) -> AsyncIterator[None]:
    """The sidecar within the block, where it is wanted."""
    from pipelines.server.sidecar import unix
    from pipelines.server.sidecar.contract import Sidecar
    from pipelines.server.sidecar.http import make_app as sidecar_app

    async with contextlib.AsyncExitStack() as stack:
        sidecar = Sidecar(service)
        if beside.port is not None:
            address = Address(port=beside.port)
            listener = stack.enter_context(contextlib.closing(address.listen("--sidecar-port")))
            app, most = sidecar_app(sidecar), service.limits.connections
            await stack.enter_async_context(http(app, listener, address, most))
        if beside.socket is not None:
            await stack.enter_async_context(unix.serving(sidecar, beside.socket))
        stack.push_async_callback(sidecar.aclose)
        yield


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
