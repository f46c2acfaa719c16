"""A duplex model's session in virtual time: the child's thread runs only while the loop waits for
it, and has a clock of its own, so that its work takes time of the child and none of the pipeline.

What it answers at its time is taken at that time of the loop. The engine, its inbox and its stages
are the real ones.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import pytest

from pipelines.clock import NS_PER_S, FakeClock, monotonic_ns
from pipelines.duplex.session.inbox import Inbox
from pipelines.duplex.session.stages import SerialStages
from pipelines.marks import Mark
from pipelines.process.engine import Emit, Engine, EngineError, Header, Request, RequestCancelled

Take = Callable[[dict[str, Any], bytes], None]
STUCK_S = 20.0
"""Longest computing of a session between two waits, s of real time."""
LOOPS_NS = 10
"""What the loop's own time, a float of seconds, may be short of."""

CHILDS = FakeClock()
"""The clock of the one child that computes."""


def in_virtual_time(model: Any) -> None:
    """A model takes its time by the child's clock, if it takes any of its own."""
    if hasattr(model, "clock"):
        model.clock = CHILDS
        model.sleep = lambda seconds: CHILDS.advance(round(seconds * NS_PER_S))


def patched(patch: pytest.MonkeyPatch) -> None:
    """The stamps of a session are the child's."""
    for of in (Inbox, SerialStages):
        patch.setitem(of.__init__.__kwdefaults__, "clock", CHILDS)


class TurnedRequest(Request):
    """A request whose engine computes only when its turn has come."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.arrived_ns: deque[int] = deque()
        """Times of the pieces that were not taken yet."""
        self.until_ns: int | None = 0
        """End of what it computes, where it waits for that; None: it waits for a piece."""
        self.over = False
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)

    # the engine's thread

    def waiting_pieces(self) -> list[tuple[Header, bytes]]:
        """See `Request`: those that arrive while it computes are there too."""
        self._wait(CHILDS())
        return super().waiting_pieces()

    def next_piece(self) -> tuple[Header, bytes]:
        """See `Request`."""
        while self._pieces.empty():
            self._wait(None)
        piece = super().next_piece()
        CHILDS.t_ns = max(CHILDS(), self.arrived_ns.popleft())
        return piece

    def _wait(self, until_ns: int | None) -> None:
        self.until_ns = until_ns
        self._paused.release()
        self._go.acquire()

    def end(self) -> None:
        """It is served."""
        self.over = True
        self._paused.release()

    # the loop's thread

    def turn(self) -> None:
        """Lets it compute until it waits again."""
        self._go.release()
        assert self._paused.acquire(timeout=STUCK_S), "a duplex session computes without end"


class InlineSession:
    """One session of a duplex engine, beside the loop.

    Args:
        engine: The engine, loaded.
        request: The session's request.
        take: Gets the child's messages.
    """

    def __init__(self, engine: Engine, request: TurnedRequest, take: Take) -> None:
        self._engine, self._request, self._take = engine, request, take
        self._loop = asyncio.get_running_loop()
        self._due: deque[tuple[int, dict[str, Any], bytes]] = deque()
        CHILDS.t_ns = self._now_ns()
        threading.Thread(target=self._run, name="duplex", daemon=True).start()
        self._loop.call_soon(self._turn)

    def feed(self, header: Header, payload: bytes) -> None:
        """A piece arrives."""
        self._request.arrived_ns.append(self._now_ns())
        self._request.feed(header, payload)
        self._wake()

    def cancel(self) -> None:
        """It is to end as soon as it can."""
        self._request.arrived_ns.append(self._now_ns())
        self._request.cancel()
        self._wake()

    def _now_ns(self) -> int:
        return monotonic_ns()

    def _wake(self) -> None:
        if self._request.until_ns is None and not self._request.over:
            self._turn()

    def _turn(self) -> None:
        request = self._request
        request.turn()
        self._deliver()
        if not request.over and request.until_ns is not None:
            self._loop.call_at(request.until_ns / NS_PER_S, self._turn)

    def _deliver(self) -> None:
        """Each message at its time, in their order."""
        while self._due and self._due[0][0] <= self._now_ns() + LOOPS_NS:
            _, header, payload = self._due.popleft()
            self._take(header, payload)
        if self._due:
            self._loop.call_at(self._due[0][0] / NS_PER_S, self._deliver)

    # the engine's thread

    def _run(self) -> None:
        request = self._request
        emit = Emit(request, self._send)
        end: dict[str, Any] = {"type": "end", "id": request.id}
        request._go.acquire()
        try:
            self._engine.run(request, emit)
        except RequestCancelled:
            pass
        except EngineError as error:
            end["error"] = str(error)
        end["marks"] = _tuples(emit.take_marks())
        self._due.append((CHILDS(), end, b""))
        request.end()

    def _send(self, header: Header, payload: bytes, marks: list[Mark]) -> None:
        reply = {"type": "reply", "id": self._request.id, "header": header}
        self._due.append((CHILDS(), reply | {"marks": _tuples(marks)}, payload))


def _tuples(marks: list[Mark]) -> list[tuple[Any, ...]]:
    return [astuple(mark) for mark in marks]
