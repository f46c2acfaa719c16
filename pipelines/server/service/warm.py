"""`WarmPool`: the models of a preset, loaded once for each conversation that it may have at a time.

A seat is a set of model processes; a conversation takes one and gives it back. A preset without
model processes has as many conversations as the server allows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from pipelines.errors import LabError
from pipelines.heap import give_back
from pipelines.marks import MarkList
from pipelines.process.pool import ModelPool
from pipelines.registry import architecture, load_object
from pipelines.spec import PipelineSpec

WATCH_S = 0.5
"""Interval at which free seats are looked at: one whose model died is made ready again, s."""
RETRY_S = 2.0
"""Pause before a seat that could not be loaded again is tried once more, s."""


@dataclass(slots=True)
class Seat:
    """Warm models of one conversation at a time."""

    marks: MarkList
    models: ModelPool
    pids: list[int] = field(default_factory=list)
    """Its processes, when it was last made ready."""


class WarmPool:
    """The seats of one preset.

    Args:
        spec: The preset.
        seats: Number of conversations at a time, where it has models.
        tell: Takes a sentence on what went wrong with a process.
        replaced: Takes the number of processes that were replaced.
        freed: Called when a seat is free again.
        is_quiet: Whether nobody talks: then memory may be given back, which takes a while.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        seats: int,
        tell: Callable[[str], None] = lambda sentence: None,
        replaced: Callable[[int], None] = lambda count: None,
        freed: Callable[[], None] = lambda: None,
        is_quiet: Callable[[], bool] = lambda: True,
    ) -> None:
        self.spec = spec
        self._seats = 1 if architecture(spec.architecture).converse else seats
        self._tell = tell
        self._replaced = replaced
        self._freed = freed
        self._is_quiet = is_quiet
        self._free: list[Seat] = []
        self._all: list[Seat] = []
        self._shared = False
        self._repairs: set[asyncio.Task[None]] = set()
        self._closed = False
        self._watching: asyncio.Task[None] | None = None

    @property
    def free(self) -> int:
        """Seats that are free."""
        return len(self._free)

    @property
    def taken(self) -> int:
        """Seats that are not: in a conversation, or being made ready."""
        return len(self._all) - len(self._free)

    @property
    def pids(self) -> list[int]:
        """Model processes that run now."""
        return [pid for seat in self._all for pid in seat.models.pids]

    async def load(self) -> None:
        """Loads every seat's models, one after the other: they would slow each other down.

        Raises:
            LabError: one can't be loaded; nothing is left running.
        """
        try:
            for _ in range(self._seats):
                marks = MarkList()
                seat = Seat(marks, ModelPool(marks))
                self._all.append(seat)
                await self._prepare(seat)
                self._free.append(seat)
                if not seat.pids and not architecture(self.spec.architecture).converse:
                    self._shared = True
                    return
            self._watching = asyncio.create_task(self._watch())
        except BaseException:
            await self.aclose()
            raise

    def take(self) -> Seat | None:
        """A seat; None: all are taken."""
        if self._closed or not self._free:
            return None
        if self._shared:
            seat = self._free[0]
            return Seat(MarkList(), seat.models)
        return self._free.pop()

    async def take_soon(self, wait_s: float) -> Seat | None:
        """A seat, also one that is just being made ready; None: all are taken.

        Args:
            wait_s: Longest wait for one that is being made ready, s.
        """
        seat = self.take()
        if seat is None and self._repairs:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    while self._repairs and not self._free:
                        await asyncio.wait(set(self._repairs), return_when=asyncio.FIRST_COMPLETED)
            seat = self.take()
        return seat

    def give(self, seat: Seat) -> None:
        """Takes a seat back; it is free again when its models have come to rest."""
        if self._shared or self._closed:
            return
        task = asyncio.create_task(self._repair(seat))
        self._repairs.add(task)
        task.add_done_callback(self._repairs.discard)

    async def aclose(self) -> None:
        """Ends every process."""
        self._closed = True
        for task in (*self._repairs, *([self._watching] if self._watching else [])):
            task.cancel()
        await asyncio.gather(*self._repairs, return_exceptions=True)
        await asyncio.gather(*(seat.models.aclose() for seat in self._all))
        self._all.clear()
        self._free.clear()

    async def _watch(self) -> None:
        """Repairs free seats whose models have died."""
        while True:
            await asyncio.sleep(WATCH_S)
            for seat in [s for s in self._free if s.models.pids != s.pids]:
                self._free.remove(seat)
                self.give(seat)

    async def _prepare(self, seat: Seat) -> None:
        if path := architecture(self.spec.architecture).prepare:
            await load_object(path)(self.spec, seat.models)
        before, seat.pids = set(seat.pids), seat.models.pids
        if before and (new := set(seat.pids) - before):
            self._replaced(len(new))

    async def _repair(self, seat: Seat) -> None:
        """Brings a seat's models to rest, replaces the dead ones, and frees it."""
        for sentence in await seat.models.settle():
            self._tell(sentence)
        while True:
            try:
                await self._prepare(seat)
                break
            except LabError as error:
                self._tell(str(error))
                await asyncio.sleep(RETRY_S)
        seat.marks.drain()
        if self._is_quiet():
            give_back()
        self._free.append(seat)
        self._freed()
