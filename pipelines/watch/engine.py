"""The watcher's two engines, each in a process of its own: one reads, one plans slowly.

Neither may ever delay the voice: they are asked from behind the tap, and run at a lower priority
than the models that speak.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import asdict

from pipelines.process.engine import Emit, Request
from pipelines.watch.reading.judge import shipped_judge
from pipelines.watch.reading.reader import Reader

NICE = 10
"""Priority (niceness) of both: where two need a core, the voice gets it."""


class ReaderEngine:
    """Serves ``phrase``: {session, who, text} → {"heard": [...]}, rows of `Heard`."""

    def __init__(self, *, rules_only: bool = False) -> None:
        """``rules_only``: every candidate counts as meant."""
        self._rules_only = rules_only
        self._session = ""
        self._readers: dict[str, Reader] = {}

    def load(self) -> None:
        """Reads the classifier's weights."""
        _step_back()
        if not self._rules_only:
            shipped_judge()

    def warm_up(self) -> None:
        """Reads one sentence, so that the patterns are compiled."""
        self._reader("", "user").read("please pick up the ball", "user")

    def run(self, request: Request, emit: Emit) -> None:
        """Reads a phrase."""
        header = request.header
        heard = self._reader(header["session"], header["who"]).read(header["text"], header["who"])
        emit.mark("watch", "read", value=len(heard))
        emit({"heard": [asdict(one) for one in heard]})

    def _reader(self, session: str, who: str) -> Reader:
        if session != self._session:  # another conversation: "it" is nothing of the last one
            self._session, self._readers = session, {}
        if who not in self._readers:
            self._readers[who] = Reader(None if self._rules_only else shipped_judge())
        return self._readers[who]


class ReasonerEngine:
    """Serves ``plan``: a stand-in for a slow planner, which computes for a given time."""

    def __init__(self, *, plan_s: float) -> None:
        """``plan_s``: computing time for each task, s."""
        self._plan_s = plan_s

    def load(self) -> None:
        """Nothing to load."""
        _step_back()

    def warm_up(self) -> None:
        """Nothing to warm."""

    def run(self, request: Request, emit: Emit) -> None:
        """Computes for the whole time of one task: it does not sleep."""
        emit.mark("watch", "plan_start")
        end_s = time.monotonic() + self._plan_s
        digest = b""
        while time.monotonic() < end_s and not emit.cancelled:
            digest = hashlib.sha256(digest * 1000).digest()
        if not emit.cancelled:
            emit.mark("watch", "plan_end")
            emit({"plan": f"1. find a way to {request.header['task']}  2. do it  3. say so"})


def _step_back() -> None:
    os.nice(NICE)
