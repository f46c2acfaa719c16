"""A stage's server in a thread of its own, with an event loop of its own; a context manager."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import Future
from types import TracebackType

from pipelines.server.access.key import PageKey
from pipelines.server.app.address import Address, for_phones
from pipelines.server.app.http import http
from pipelines.server.doors.fed import FEED_PATH, feed_app, stage_app
from pipelines.server.doors.pages import FACE_PATH
from pipelines.server.stage import Stage

MOST = 100
"""Connections at a time."""


class Serving:
    """Serves a stage until the block ends.

    Args:
        stage: What to serve.
        port: Port of the page; 0: a free one.
        https: By a certificate of this start, to the whole network; else to this machine only.
    """

    def __init__(self, stage: Stage, port: int, https: bool = False) -> None:
        self.stage = stage
        self._address = for_phones(port) if https else Address(port=port)
        self._key = PageKey() if https else None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._ending = asyncio.Event()
        self.port = 0
        """Of the page."""
        self.url = ""
        """Address of the page; with its key, where others can call it too."""
        self.feed_url = ""
        """Address at which an agent's process of this machine feeds the face."""

    def __enter__(self) -> Serving:
        self._thread.start()
        self._started.result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the server, whose pages try to connect again; safe to repeat."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()

    def put(self, message: str | bytes) -> None:
        """Sends a message to every page, from any thread."""
        self._loop.call_soon_threadsafe(self.stage.put, message)

    def wait_ready(self, timeout_s: float) -> bool:
        """Waits for a page whose sound is on."""
        waiting = asyncio.run_coroutine_threadsafe(self.stage.ready.wait(), self._loop)
        with contextlib.suppress(TimeoutError):
            return waiting.result(timeout_s)
        waiting.cancel()
        return False

    def sleep(self, seconds: float) -> None:
        """Keeps serving meanwhile."""
        time.sleep(seconds)

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._started.result()

    async def _run(self) -> None:
        try:
            async with contextlib.AsyncExitStack() as stack:
                await self._open(stack)
                self._started.set_result(asyncio.get_running_loop())
                await self._ending.wait()
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        """Opens the page's port and, where that one speaks TLS, a plain one for feeds."""
        page, secured = self._address, self._address.secure is not None
        listener = stack.enter_context(contextlib.closing(page.listen()))
        app = stage_app(self.stage, fed=not secured)
        await stack.enter_async_context(http(app, listener, page, MOST, self._key))
        self.port = feed_port = listener.getsockname()[1]
        if secured:
            local = Address(port=0)
            fed = stack.enter_context(contextlib.closing(local.listen()))
            await stack.enter_async_context(http(feed_app(self.stage), fed, local, MOST))
            feed_port = fed.getsockname()[1]
        self.url = page.url(self.port) + FACE_PATH + (self._key.query if self._key else "")
        self.feed_url = f"ws://127.0.0.1:{feed_port}{FEED_PATH}?token={self.stage.token}"
