"""A face's server in a thread of its own, with an event loop of its own; a context manager."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from types import TracebackType

from pipelines.server.guard import KEY
from pipelines.server.server import LOOPBACK, FaceServer


class Serving:
    """Serves until the block ends.

    Args:
        server: What to serve.
        port: Port of the page.
        https: By a self-signed certificate, to the whole network; else to this machine only.
        beside: Runs on the same loop; gets an event to set once it has loaded.
    """

    def __init__(
        self,
        server: FaceServer,
        port: int,
        https: bool = False,
        beside: Callable[[asyncio.Event], Awaitable[None]] | None = None,
    ) -> None:
        self.server = server
        self._port = port
        self._https = https
        self._beside = beside
        self._loaded = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._task: Future[None] | None = None
        self.url = ""
        """Address of the page; with its key, where others can call it too."""

    @property
    def feed_url(self) -> str:
        """Address at which an agent's process of this machine feeds the face."""
        return f"ws://127.0.0.1:{self.server.feed_port}/feed?token={self.server.token}"

    def __enter__(self) -> Serving:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the server; safe to repeat."""
        if self._loop.is_closed():
            return
        if self._task is not None:
            self._task.cancel()
            # Tasks on the same loop close their models' processes before the loop may end.
            asyncio.run_coroutine_threadsafe(self._idle(), self._loop).result()
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result()
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _idle(self) -> None:
        own = asyncio.current_task()
        others = [t for t in asyncio.all_tasks() if t is not own and t.get_name() == "beside"]
        await asyncio.gather(*others, return_exceptions=True)

    async def _start(self) -> None:
        if self._https:
            from pipelines.certificate import context

            address = address_in_network()
            names = (*LOOPBACK, address)
            await self.server.start("0.0.0.0", self._port, context([address]), names)
            self.url = f"https://{address}:{self.server.port}/?{KEY}={self.server.key}"
        else:
            await self.server.start("127.0.0.1", self._port)
            self.url = f"http://127.0.0.1:{self.server.port}/"
        if self._beside is not None:
            self._task = asyncio.run_coroutine_threadsafe(self._named(), self._loop)

    async def _named(self) -> None:
        task = asyncio.current_task()
        assert task is not None and self._beside is not None
        task.set_name("beside")
        await self._beside(self._loaded)

    def put(self, message: str | bytes) -> None:
        """Sends a message to every page, from any thread."""
        self._loop.call_soon_threadsafe(self.server.put, message)

    def wait_ready(self, timeout_s: float) -> bool:
        """Waits for a page whose sound is on."""
        waiting = asyncio.run_coroutine_threadsafe(self.server.ready.wait(), self._loop)
        with contextlib.suppress(TimeoutError):
            return waiting.result(timeout_s)
        waiting.cancel()
        return False

    def wait_loaded(self) -> None:
        """Waits until the task beside has loaded; raises what it raised."""
        while not self._loaded.is_set():
            self._raise_of_beside()
            time.sleep(0.05)

    def wait_for_ever(self) -> None:
        """Waits until Ctrl-C, or until the task beside fails."""
        while True:
            self._raise_of_beside()
            time.sleep(0.2)

    def _raise_of_beside(self) -> None:
        if self._task is not None and self._task.done():
            self._task.result()

    def sleep(self, seconds: float) -> None:
        """Keeps serving meanwhile."""
        time.sleep(seconds)


def address_in_network() -> str:
    """This machine's address as seen by others in its network; sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation: no packet leaves
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
