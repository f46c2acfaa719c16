"""`ModelProcess`: one model in a child process of its own, warm for as long as wanted.

A model that holds the GIL, eats a core or crashes must not bend the pipeline's event loop, so each
engine (`process.engine`) runs in a child and is asked over a socket pair. A failure of any kind
becomes one `ModelError`; the child is then gone, and the next `ensure_running` starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from typing import IO, Any

from pipelines.errors import ModelError
from pipelines.marks import Mark, MarkSink, stamp
from pipelines.process.engine import WARM_UP
from pipelines.process.link import CANCEL_GRACE_S, ChildLink, ModelRequest, seen
from pipelines.process.spawn import ending, last_words, obituary, reap, start_child
from pipelines.process.wire import Header

STOP_GRACE_S = 1.0
_numbers = itertools.count(1)


def next_request_id(prefix: str) -> str:
    """A request id that no other request of this process has."""
    return f"{prefix}-{next(_numbers)}"


class ModelProcess:
    """A model's child process: start, ask, cancel, stop; see `process.engine` for its inside."""

    def __init__(
        self,
        name: str,
        engine: str,
        options: Mapping[str, Any] | None = None,
        *,
        marks: MarkSink,
        interpreter: str | None = None,
        load_timeout_s: float = 60.0,
        request_timeout_s: float = 20.0,
        cancel_grace_s: float = CANCEL_GRACE_S,
    ) -> None:
        """Describes the process; nothing is started yet.

        Args:
            name: What the user calls the model, for marks and errors.
            engine: ``module:class`` of the engine.
            options: Keyword arguments of the engine's class, as JSON can carry them.
            marks: Takes the marks of starting and loading.
            interpreter: A Python of an engine environment; default: this one.
            load_timeout_s: Most that starting, loading and warming up may take together.
            request_timeout_s: Most that may pass without a reply while one is owed.
            cancel_grace_s: Most that may pass from a cancel to the request's end: as long as the
                engine's longest step, which nothing can break off.
        """
        self.name = name
        self.marks = marks
        self._engine = engine
        self._options = dict(options or {})
        self._interpreter = interpreter
        self._load_timeout_s = load_timeout_s
        self._request_timeout_s = request_timeout_s
        self._cancel_grace_s = cancel_grace_s
        self._popen: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._link: ChildLink | None = None
        self._ready: asyncio.Future[None] | None = None
        self._requests: dict[str, ModelRequest] = {}
        self._starting = asyncio.Lock()
        self._burial: asyncio.Task[None] | None = None
        self._stopping = False
        self.untold: list[str] = []
        """Sentences that `settle` will return; clear it where the model's next user is not to
        blame."""

    # lifetime

    @property
    def pid(self) -> int | None:
        """The child's process id, while it runs."""
        return self._popen.pid if self._popen is not None else None

    @property
    def model(self) -> str:
        """The engine and its options: the same where two processes compute the same."""
        return f"{self._engine} {json.dumps(self._options, sort_keys=True)}"

    @property
    def running(self) -> bool:
        """Whether it is loaded and can be asked."""
        ready = self._ready
        if ready is None or not ready.done() or self._burial is not None:
            return False
        return not ready.cancelled() and ready.exception() is None

    @property
    def serving(self) -> bool:
        """True if a request is open that was not cancelled: the next one would wait for it."""
        return any(not request.cancelled for request in self._requests.values())

    async def __aenter__(self) -> ModelProcess:
        await self.ensure_running()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def ensure_running(self) -> None:
        """Starts, loads and warms the model, unless that was done.

        Raises:
            ModelError: it could not be loaded; nothing is left running.
        """
        async with self._starting:
            await self._buried()
            if self.running:
                return
            ready = await self._spawn()
            try:
                await asyncio.wait_for(asyncio.shield(ready), self._load_timeout_s)
            except TimeoutError:
                self._fail(f"did not load within {self._load_timeout_s:g} s and was killed")
                await ready  # raises the error that it died of
            except asyncio.CancelledError:
                self._fail("was stopped while it loaded")
                raise
            finally:
                await self._buried()

    async def stop(self) -> None:
        """Ends the child: politely if it is idle, else by force. Safe to call twice."""
        if self._popen is not None and self._link is not None:
            if self.running and not self._requests:
                self._stopping = True  # its end is not a crash
                self._link.send({"type": "stop"})
                with contextlib.suppress(subprocess.TimeoutExpired):
                    await asyncio.to_thread(self._popen.wait, STOP_GRACE_S)
            self._fail("was stopped", wanted=True)
        await self._buried()

    async def settle(self, timeout_s: float = 1.0) -> list[str]:
        """Cancels what is open and waits until it has ended: no mark of a request comes later.

        Args:
            timeout_s: Limit, then the process is killed; a longer ``cancel_grace_s`` is added.

        Returns:
            A sentence on each death that no request reported.
        """
        timeout_s += max(0.0, self._cancel_grace_s - CANCEL_GRACE_S)
        requests = list(self._requests.values())
        for request in requests:
            request.cancel()
        try:
            async with asyncio.timeout(timeout_s):
                for request in requests:
                    await request.wait_ended()
        except TimeoutError:
            self._fail(f"did not come to rest within {timeout_s:g} s and was killed")
        await self._buried()
        untold, self.untold = self.untold, []
        return untold

    # work

    def open(
        self,
        op: str,
        header: Header | None = None,
        payload: bytes = b"",
        *,
        request_id: str = "",
        marks: MarkSink | None = None,
        fed: bool = False,
        owes: str = "",
    ) -> ModelRequest:
        """Sends a request; it is served after earlier ones.

        Args:
            op: One of the engine's words.
            header: The request's fields.
            payload: Raw bytes.
            request_id: From `next_request_id`; made here if empty.
            marks: Takes the request's marks; default: the process's own sink.
            fed: Whether pieces follow, by `ModelRequest.feed`, up to one with ``last=True``.
            owes: What the engine owes for each piece but the last, for the error's text ("frame"):
                each is answered once, and a child that sends none for ``request_timeout_s``
                is killed.

        Raises:
            ModelError: the process is not running: call `ensure_running` first.
        """
        if self._link is None or not self.running:
            raise ModelError(f"The model {self.name} is not running.")
        request_id = request_id or next_request_id(self.name)
        request = ModelRequest(
            request_id,
            send=self._link.send,
            sink=marks or self.marks,
            timeout_s=self._request_timeout_s,
            on_timeout=self._hung,
            fed=fed,
            owes=owes,
            cancel_grace_s=self._cancel_grace_s,
        )
        self._requests[request_id] = request
        message = {"type": "request", "id": request_id, "op": op, "header": header or {}}
        self._link.send(message, payload)
        return request

    async def request(
        self,
        op: str,
        header: Header | None = None,
        payload: bytes = b"",
        *,
        request_id: str = "",
        marks: MarkSink | None = None,
    ) -> AsyncIterator[tuple[Header, bytes]]:
        """Asks and yields the replies; leaving the loop early cancels the request in the child."""
        opened = self.open(op, header, payload, request_id=request_id, marks=marks)
        try:
            async for reply in opened:
                yield reply
        finally:
            opened.cancel()

    async def keep_warm(self) -> None:
        """Lets an idle model do its warm-up once more; one at work is warm.

        Raises:
            ModelError: it died of it.
        """
        if self.running and not self._requests:
            async for _ in self.request(WARM_UP):
                pass

    def cancel(self, request_id: str) -> None:
        """Cancels a request; nothing happens if it has ended."""
        if request_id in self._requests:
            self._requests[request_id].cancel()

    # inside

    async def _spawn(self) -> asyncio.Future[None]:
        """Starts the child and tells it what to load; returns a future for the warm state."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._popen, self._stderr = start_child(self._interpreter, theirs.fileno())
            except OSError as error:
                ours.close()
                raise ModelError(
                    f"The model {self.name}'s process can't be started with "
                    f"{self._interpreter or sys.executable}: {error}."
                ) from error
        self.marks.put(stamp("agent", "process_start", text=self.name, value=self._popen.pid))
        loop = asyncio.get_running_loop()
        ready = self._ready = loop.create_future()
        ready.add_done_callback(seen)
        _, self._link = await loop.create_connection(
            lambda: ChildLink(self._take, self._lost), sock=ours
        )
        load = {"type": "load", "name": self.name, "engine": self._engine}
        self._link.send(load | {"options": self._options})
        return ready

    def _take(self, header: Header, payload: bytes) -> None:
        """One message of the child."""
        kind = header["type"]
        request = self._requests.get(header.get("id", ""))
        if request is None and "id" in header:
            return  # it is over, and must have no later effect
        sink = request.sink if request is not None else self.marks
        for fields in header.get("marks", ()):
            sink.put(Mark(*fields))
        if kind == "ready" and self._ready is not None:
            self._ready.set_result(None)
        elif kind == "failed":
            self._fail(f"could not be loaded: {header['error']}", by_itself=True, tail=False)
        elif kind == "reply" and request is not None:
            request.reply(header["header"], payload)
        elif kind == "end" and request is not None:
            del self._requests[request.id]
            said = header.get("error")
            sentence = f"The model {self.name} failed on a request: {said}."
            request.end(ModelError(sentence) if said else None)

    def _lost(self, why: str) -> None:
        if not self._stopping:
            self._fail(why or "crashed", by_itself=True)

    def _hung(self, request: ModelRequest) -> None:
        if request.cancelled:
            self._fail(f"did not stop within {self._cancel_grace_s:g} s of a cancel and was killed")
        else:
            what = request.owes or "answer"
            self._fail(f"gave no {what} within {self._request_timeout_s:g} s and was killed")

    def _fail(
        self, why: str, *, by_itself: bool = False, tail: bool = True, wanted: bool = False
    ) -> None:
        """Cleans up after the child; its waiters are notified when it is dead."""
        if self._burial is None and self._popen is not None:
            bury = self._bury(self._popen, why, by_itself=by_itself, tail=tail, wanted=wanted)
            self._burial = asyncio.get_running_loop().create_task(bury)

    async def _bury(
        self, popen: subprocess.Popen[bytes], why: str, *, by_itself: bool, tail: bool, wanted: bool
    ) -> None:
        code = await asyncio.to_thread(reap, popen, STOP_GRACE_S if by_itself else 0.0)
        if self._link is not None:
            self._link.close()
        if by_itself and code:
            why += f" ({ending(code)})"
        was_ready = self._ready is not None and self._ready.done()
        said = last_words(self._stderr) if self._stderr is not None and tail else ""
        sentence = obituary(self.name, why, starts_again=was_ready, said=said)
        if self._stderr is not None:
            self._stderr.close()
        error = ModelError(sentence)
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(error)
        requests, self._requests = self._requests, {}
        if was_ready and not wanted and all(r.cancelled for r in requests.values()):
            # Nobody waits for it, but the record must not be silent.
            self.marks.put(stamp("agent", "error", text=sentence))
            self.untold.append(sentence)
        for request in requests.values():
            request.end(error)
        self._popen = self._link = self._ready = self._stderr = None
        self._stopping = False

    async def _buried(self) -> None:
        """Waits until a dying child is dead, and forgets it."""
        if (burial := self._burial) is not None:
            await asyncio.shield(burial)
            if self._burial is burial:
                self._burial = None
