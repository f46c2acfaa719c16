"""`serve`: loads the models, opens the port, and drains when the process is asked to end."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import LabError
from pipelines.server.access.tokens import Verifier
from pipelines.server.app.address import Address
from pipelines.server.app.app import make_app
from pipelines.server.app.http import http
from pipelines.server.config.tables import FaceOptions
from pipelines.server.doors.door import DoorRow, House
from pipelines.server.service.service import VoiceService

NEEDED = ("fastapi", "uvicorn", "jwt", "prometheus_client", "cbor2")
"""Packages of the extra ``serve``."""


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


def check_installed() -> None:
    """Refuses a server whose packages are not there.

    Raises:
        LabError: the extra ``serve`` is not installed.
    """
    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise LabError(
                f"The server needs the package {name!r}: install the extra duplex-lab[serve] "
                "(make setup does)."
            )


def check(address: Address, verifier: Verifier | None) -> None:
    """Refuses a server that can't or must not run.

    Raises:
        LabError: a package is missing, or others could reach it without a token.
    """
    check_installed()
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
    face: FaceOptions | None = None,
) -> AsyncIterator[str]:
    """Serves within the block; gives the address once the models are loaded and the port is open.

    Args:
        service: The presets.
        address: Where to listen.
        verifier: Checks tokens; None: this machine's programs may all come in.
        doors: Those that are open; None: all.
        twilio_token: Auth token of a Twilio account; empty: none is known.
        beside: The sidecar.
        face: Options of the page with a face; None: the default.

    Raises:
        LabError: a model can't be loaded, the port can't be opened, or `check` refuses.
    """
    check(address, verifier)
    async with contextlib.AsyncExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(address.listen()))
        url = address.url(listener.getsockname()[1])
        public = address.public_url or url
        house = House(service, verifier, public, twilio_token, face or FaceOptions())
        app = make_app(house, doors)
        most = service.limits.connections
        await service.start()
        stack.push_async_callback(service.close)
        await stack.enter_async_context(_sidecar(service, beside))
        await stack.enter_async_context(http(app, listener, address, most))
        try:
            yield url
        finally:
            await service.drain("the server is shutting down")


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
            listener = stack.enter_context(contextlib.closing(address.listen()))
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
