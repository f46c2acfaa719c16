"""What an engine of a model is: a plain class that runs in a child process
(`pipelines.process.child`).

An engine is made with its options as keyword arguments, then ``load()``, ``warm_up()`` and, for
each request, ``run(request, emit)`` in the child's main thread. It may be imported by the
interpreter of an engine environment, so this module needs only the standard library.
"""

from __future__ import annotations

import importlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from pipelines.marks import EventName, Mark, Stage, stamp
from pipelines.moved import told

Header = dict[str, Any]
WARM_UP = "warm_up"
"""A request that no engine sees: its ``warm_up`` is called once more, so that it stays warm."""


class EngineError(Exception):
    """The failure and its remedy, in one sentence for the user."""


class RequestCancelled(Exception):  # noqa: N818 not an error
    """The request was cancelled while the engine waited for its next piece."""


class Request:
    """One piece of work, from the engine's side."""

    def __init__(self, request_id: str, op: str, header: Header, payload: bytes) -> None:
        self.id = request_id
        """Connects the marks of this request."""
        self.op = op
        """The kind of work; each engine defines its own few words."""
        self.header = header
        """The request's own fields."""
        self.payload = payload
        """Raw bytes that came with it."""
        self._cancelled = threading.Event()
        self._pieces: queue.SimpleQueue[tuple[Header, bytes] | None] = queue.SimpleQueue()

    @property
    def cancelled(self) -> bool:
        """True if the parent no longer wants an answer; cheap, callable from C callbacks."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Called by the reader thread."""
        self._cancelled.set()
        self._pieces.put(None)

    def feed(self, header: Header, payload: bytes) -> None:
        """Called by the reader thread."""
        self._pieces.put((header, payload))

    def next_piece(self) -> tuple[Header, bytes]:
        """Waits for the next piece of a request that is fed while it runs.

        Raises:
            RequestCancelled: the request was cancelled.
        """
        piece = self._pieces.get()
        if piece is None or self.cancelled:
            raise RequestCancelled
        return piece

    def waiting_pieces(self) -> list[tuple[Header, bytes]]:
        """The pieces that have arrived, in order; does not wait.

        Raises:
            RequestCancelled: the request was cancelled.
        """
        taken = []
        while not self._pieces.empty():  # nobody else takes any
            taken.append(self.next_piece())
        return taken


class Emit:
    """The engine's way to answer: call it with each reply; call ``mark`` when an event happens."""

    def __init__(self, request: Request, send: Callable[[Header, bytes, list[Mark]], None]) -> None:
        self._request = request
        self._send = send
        self._marks: list[Mark] = []

    def __call__(self, header: Header, payload: bytes = b"") -> None:
        """Sends one reply, with the marks that were made since the last."""
        self._send(header, payload, self.take_marks())

    @property
    def cancelled(self) -> bool:
        """True if the engine should stop as soon as it can."""
        return self._request.cancelled

    def mark(
        self, stage: Stage, event: EventName, *, value: float | None = None, text: str | None = None
    ) -> None:
        """Stamps an event of this request now; it travels with the next reply."""
        self._marks.append(stamp(stage, event, request_id=self._request.id, value=value, text=text))

    def take_marks(self) -> list[Mark]:
        """Returns the marks not yet sent, and clears them."""
        marks, self._marks = self._marks, []
        return marks


class Engine(Protocol):
    """One model. Everything is called in the child's main thread."""

    def load(self) -> None:
        """Loads the model.

        Raises:
            EngineError: it can't be loaded; the text says what to do.
        """

    def warm_up(self) -> None:
        """Does once the work that is slow the first time; again, where it was idle for long."""

    def run(self, request: Request, emit: Emit) -> None:
        """Serves one request, and returns early when ``emit.cancelled``."""


def imported(path: str) -> Any:
    """The class that ``module:class`` names.

    Raises:
        EngineError: it has another name now.
        ModuleNotFoundError: a package is not installed for this interpreter.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        if sentence := told(path, error.name):
            raise EngineError(sentence) from error
        raise


def pieces(request: Request) -> Iterator[tuple[Header, bytes]]:
    """The pieces of a request that is fed, until ``{"last": true}``, which is included."""
    last = False
    while not last:
        header, payload = request.next_piece()
        last = bool(header.get("last"))
        yield header, payload
