"""Interrupts a library's computation that is no longer wanted: a barge-in takes effect within it.

A library that computes for half a second in one call would delay the next answer by as much, so a
thread checks every few ms whether the request was cancelled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pipelines.process.engine import Emit

_POLL_S = 0.005


@contextmanager
def when_cancelled(emit: Emit, stop: Callable[[], None]) -> Iterator[None]:
    """Calls ``stop``, from a thread of its own, once the request is cancelled inside the block."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_S):
            if emit.cancelled:
                stop()
                return

    watcher = threading.Thread(target=watch, name="abort", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


class AbortableSession:
    """An onnxruntime session whose run ends early once its request is cancelled."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._emit: Emit | None = None

    @contextmanager
    def wanted_by(self, emit: Emit) -> Iterator[None]:
        """Runs inside the block stop when that request is cancelled."""
        self._emit = emit
        try:
            yield
        finally:
            self._emit = None

    def run(self, outputs: Any, feeds: dict[str, Any]) -> Any:
        """Like onnxruntime's ``run``, which raises when it is stopped."""
        emit = self._emit
        if emit is None:
            return self._session.run(outputs, feeds)
        import onnxruntime

        options = onnxruntime.RunOptions()

        def stop() -> None:
            options.terminate = True

        with when_cancelled(emit, stop):
            return self._session.run(outputs, feeds, options)


def until_aborted(chunks: Iterator[Any], emit: Emit) -> Iterator[Any]:
    """Yields the items; a network that was stopped because of a cancel is no error."""
    try:
        yield from chunks
    except Exception:
        if not emit.cancelled:
            raise


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
