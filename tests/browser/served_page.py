"""The server with a step model, for pages in a browser: on a thread of its own."""

import asyncio
import contextlib
import threading
from concurrent.futures import Future

from pipelines.server.app.address import Address
from pipelines.server.app.run import serving
from pipelines.server.doors.door import People
from pipelines.server.service.service import VoiceService


@contextlib.contextmanager
def served(people: People | None = None):
    """The address of a server that gives everything back."""
    started: Future[str] = Future()
    loop, ending = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        service = VoiceService([], steps=("passthrough",), tell=lambda text: None)
        async with serving(service, Address(port=0), people=people) as url:
            started.set_result(url)
            await ending.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        yield started.result(20)
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(20)
        loop.close()
