"""Sees that the agent's event loop runs nothing for a while, and which processor held it.

A beat on the loop finds how long nothing ran; a thread beside it looks, while the beat is overdue,
at what the loop's thread is in. Both together cost some 60 µs, 50 times a second: 0.3 % of a core.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from types import FrameType
from typing import Self

from pipecat.processors.frame_processor import FrameProcessor

from pipelines.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from pipelines.marks import MarkSink, stamp

BEAT_S = 0.02
LEAST_MS = 50.0
"""Shortest time for which nothing ran that is marked, ms."""
_OF_THE_LOOP = ("asyncio", "selectors")
"""Modules whose frames are the loop itself."""


class LoopWatch:
    """Marks ``agent.blocked`` while its block lasts.

    Args:
        marks: Takes the marks.
    """

    def __init__(self, marks: MarkSink) -> None:
        self._marks = marks
        self._stop = threading.Event()
        self._seen: Counter[str] = Counter()
        """Who was seen on the loop since its last beat, and how often."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._watcher = threading.Thread(target=self._watch, name="loop watch", daemon=True)
        self._next()
        self._watcher.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        self._beat.cancel()
        self._watcher.join()

    def _next(self) -> None:
        self._due_ns = monotonic_ns() + round(BEAT_S * NS_PER_S)
        self._beat = self._loop.call_later(BEAT_S, self._on_beat)

    def _on_beat(self) -> None:
        late_ms = (monotonic_ns() - self._due_ns) / NS_PER_MS
        if late_ms >= LEAST_MS:
            who = self._seen.most_common(1)
            text = who[0][0] if who else ""
            mark = stamp("agent", "blocked", t_ns=self._due_ns, value=late_ms, text=text)
            self._marks.put(mark)
        self._seen.clear()
        self._next()

    def _watch(self) -> None:
        """On a thread: looks at the loop's while its beat is overdue."""
        while not self._stop.wait(BEAT_S):
            if monotonic_ns() - self._due_ns >= BEAT_S * NS_PER_S:
                self._look()

    def _look(self) -> None:
        """Counts who is on the loop now.

        Keeps no frame beyond its return: a frame keeps its variables, and a buffer that one of them
        shows could not be resized by the agent.
        """
        if name := holder(sys._current_frames().get(self._thread_id)):
            self._seen[name] += 1


def holder(frame: FrameType | None) -> str:
    """The name of what runs: the innermost processor, else the outermost function of no loop.

    Args:
        frame: The innermost frame of the loop's thread.

    Returns:
        The name; empty where only the loop itself runs.
    """
    outermost = ""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] == "asyncio" and frame.f_code.co_name == "_run":
            return outermost  # a handle of the loop: what is further out started the loop
        if module.partition(".")[0] not in _OF_THE_LOOP:
            who = frame.f_locals.get("self")
            if isinstance(who, FrameProcessor):
                return str(who.name)
            outermost = frame.f_code.co_qualname
        frame = frame.f_back
    return ""
