"""Models that run where they are asked, in no time of the loop, each loaded once for all tests.

The engines are the real ones; only the child's process and its socket are left out.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

from pipelines.duplex.session.engine import DuplexEngine
from pipelines.marks import Mark, stamp
from pipelines.process.engine import Emit, Engine, Request, RequestCancelled, imported
from pipelines.process.process import ModelProcess
from tests.bench.chains import inline_session
from tests.bench.chains.inline_session import InlineSession, TurnedRequest

_engines: dict[str, Engine] = {}


class InlineProcess(ModelProcess):
    """In place of `ModelProcess`, with the child inside."""

    streams = False
    """Whether requests that are fed are served piece by piece, partial answers included."""

    async def _spawn(self) -> asyncio.Future[None]:
        key = json.dumps([self._engine, self._options], sort_keys=True, default=str)
        if key not in _engines:
            engine: Engine = imported(self._engine)(**self._options)
            engine.load()
            if isinstance(engine, DuplexEngine):
                inline_session.in_virtual_time(engine._loaded)
            engine.warm_up()
            _engines[key] = engine
        self._ready = asyncio.get_running_loop().create_future()
        self._ready.set_result(None)
        self._link = InlineLink(_engines[key], self._take)  # type: ignore[assignment]
        return self._ready

    def open(self, *args: Any, fed: bool = False, **more: Any) -> Any:
        """See `ModelProcess.open`."""
        assert isinstance(self._link, InlineLink)
        self._link.fed = fed
        return super().open(*args, fed=fed, **more)


class Streaming(Request):
    """A request whose engine runs on a thread of its own, one step for each piece it is fed."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._waits = threading.Semaphore(0)

    def next_piece(self) -> tuple[dict[str, Any], bytes]:
        """See `Request.next_piece`: the engine has done all it could."""
        self._waits.release()
        return super().next_piece()

    def start(self, run: Callable[[], None]) -> None:
        """Runs the engine up to where it wants its first piece."""

        def work() -> None:
            try:
                run()
            except RequestCancelled:
                pass
            finally:
                self._waits.release()

        threading.Thread(target=work, daemon=True).start()
        self.step()

    def step(self) -> None:
        """Waits until the engine wants another piece, or is done."""
        assert self._waits.acquire(timeout=30)


class InlineLink:
    """In place of `pipelines.process.link.ChildLink`, with the child inside."""

    def __init__(self, engine: Engine, take: Callable[[dict[str, Any], bytes], None]) -> None:
        self.fed = False
        self._engine, self._take = engine, take
        self._open: dict[str, Request] = {}
        self._session: InlineSession | None = None

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """A message to the child."""
        loop = asyncio.get_running_loop()
        kind, request = header["type"], self._open.get(header.get("id", ""))
        if kind == "request" and isinstance(self._engine, DuplexEngine):
            turned = TurnedRequest(header["id"], header["op"], header["header"], payload)
            self._session = InlineSession(self._engine, turned, self._take)
        elif self._session is not None:
            if kind == "feed":
                self._session.feed(header["header"], payload)
            elif kind == "cancel":
                self._session.cancel()
        elif kind == "request":
            kind_of = Streaming if self.fed and InlineProcess.streams else Request
            request = kind_of(header["id"], header["op"], header["header"], payload)
            self._open[request.id] = request
            if isinstance(request, Streaming):
                self._stream(request, loop)
            elif not self.fed:
                loop.call_soon(self._serve, request)
        elif kind == "feed" and request is not None:
            request.feed(header["header"], payload)
            if isinstance(request, Streaming):
                request.step()
            elif header["header"].get("last"):
                loop.call_soon(self._serve, request)
        elif kind == "cancel" and request is not None:
            request.cancel()
            if isinstance(request, Streaming):
                request.step()
            loop.call_soon(self._end, request)

    def close(self) -> None:
        """Nothing is open."""

    def _stream(self, request: Streaming, loop: asyncio.AbstractEventLoop) -> None:
        """Serves a request piece by piece; what it answers is taken when the loop comes to it."""

        def send(header: dict[str, Any], payload: bytes, marks: list[Mark]) -> None:
            reply = {"type": "reply", "id": request.id, "header": header, "marks": _tuples(marks)}
            loop.call_soon_threadsafe(self._take, reply, payload)

        def run() -> None:
            emit = Emit(request, send)
            self._engine.run(request, emit)
            loop.call_soon_threadsafe(self._end, request, emit.take_marks())

        request.start(run)

    def _serve(self, request: Request) -> None:
        def send(header: dict[str, Any], payload: bytes, marks: list[Mark]) -> None:
            self._take(
                {"type": "reply", "id": request.id, "header": header, "marks": _tuples(marks)},
                payload,
            )

        if request.id in self._open:
            emit = Emit(request, send)
            self._engine.run(request, emit)
            self._end(request, emit.take_marks())

    def _end(self, request: Request, marks: list[Mark] | None = None) -> None:
        if self._open.pop(request.id, None):
            self._take({"type": "end", "id": request.id, "marks": _tuples(marks or [])}, b"")


class DyingProcess(InlineProcess):
    """A model whose process dies after each answer to ``chat``: the next request loads it again."""

    LOAD_S = 1.5

    def open(self, *args: Any, fed: bool = False, **more: Any) -> Any:
        """See `ModelProcess.open`."""
        request = super().open(*args, fed=fed, **more)
        if args[0] == "chat":
            asyncio.get_running_loop().create_task(self._die_after(request))
        return request

    async def _die_after(self, request: Any) -> None:
        await request.wait_ended()
        self._ready, self._has_died = None, True

    async def _spawn(self) -> asyncio.Future[None]:
        ready = await super()._spawn()
        if not getattr(self, "_has_died", False):
            return ready
        self.marks.put(stamp("agent", "process_start", text=self.name))
        loop = asyncio.get_running_loop()
        again = self._ready = loop.create_future()

        def loaded() -> None:
            self.marks.put(stamp("agent", "warm_end", text=self.name))
            again.set_result(None)

        loop.call_later(self.LOAD_S, loaded)
        return again


def _tuples(marks: list[Mark]) -> list[tuple[Any, ...]]:
    return [astuple(mark) for mark in marks]
