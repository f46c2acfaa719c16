"""`WarmPool`: the models of a preset, warm for the conversations that it has or will have soon.

A seat is a set of model processes; a conversation takes one and gives it back. A preset without
model processes has as many conversations as the server allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

from pipelines.errors import LabError
from pipelines.heap import give_back
from pipelines.marks import MarkList
from pipelines.process.pool import ModelPool
from pipelines.registry import architecture, load_object
from pipelines.server.service.demand import Demand
from pipelines.server.service.rehearsal import can_rehearse, rehearse
from pipelines.spec import PipelineSpec

WATCH_S = 0.5
"""Interval at which seats are looked at: one whose model died is made ready again, s."""
RETRY_S = 2.0
"""Pause before a seat that could not be loaded is tried once more, s."""

Ahead = Literal["loaded", "used", "unused", "cold"]
"""A seat was loaded ahead of demand; was then taken for the first time; was ended without that; or
a conversation had to wait for a seat to be loaded, which nobody had foreseen."""


@dataclass(frozen=True, slots=True)
class Warmth:
    """How many seats are warm, and for how long."""

    most: int = 2
    """Conversations at a time."""
    least: int = 2
    """Seats that are always warm; the others as they are wanted."""
    ahead_s: float = 60.0
    """Time for which conversations are foreseen, s."""
    idle_s: float = 600.0
    """Time after which a seat beyond ``least`` that nobody wants is ended, s."""
    keep_alive_s: float = 0.0
    """Interval at which an idle model does its warm-up again, so that nothing of it goes cold, s;
    0: never. A conversation that begins in that moment waits for it."""


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told what becomes of seats."""

    tell: Callable[[str], None] = lambda sentence: None
    """Takes a sentence on what went wrong with a process."""
    replaced: Callable[[int], None] = lambda count: None
    """Takes the number of processes that were replaced."""
    changed: Callable[[], None] = lambda: None
    """Called when a seat is free again, or is no more."""
    ahead: Callable[[Ahead], None] = lambda what: None
    """Takes what became of a seat that was loaded ahead of demand."""


@dataclass(slots=True, eq=False)
class Seat:
    """Warm models of one conversation at a time."""

    marks: MarkList
    models: ModelPool
    pids: list[int] = field(default_factory=list)
    """Its processes, when it was last made ready."""
    idle_since_s: float = 0.0
    worked_s: float = 0.0
    """When it last did anything."""
    is_foreseen: bool = False
    """True if it was loaded ahead of demand, and nobody has taken it yet."""


class WarmPool:
    """The seats of one preset.

    Args:
        spec: The preset.
        warmth: How many, and for how long.
        told: Who is told what becomes of them.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        warmth: Warmth | None = None,
        told: Told | None = None,
    ) -> None:
        self.spec = spec
        self._warmth = warmth or Warmth()
        self._alone = bool(architecture(spec.architecture).converse)
        self._told = told or Told()
        self._free: list[Seat] = []
        self._all: list[Seat] = []
        self._shared = False
        self._demand = Demand()
        self._repairs: set[asyncio.Task[None]] = set()
        self._making: asyncio.Task[None] | None = None
        self._closed = False
        self._refuses = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    @property
    def free(self) -> int:
        """Conversations that could begin now; of a preset without models: one more."""
        return len(self._free)

    @property
    def has_room(self) -> bool:
        """Whether a conversation could begin, now or once a seat is loaded."""
        return not self._closed and bool(self._free or len(self._all) < self._most)

    @property
    def taken(self) -> int:
        """Seats that are not free: in a conversation, or being made ready."""
        return len(self._all) - len(self._free)

    @property
    def pids(self) -> list[int]:
        """Model processes that run now."""
        return [pid for seat in self._all for pid in seat.models.pids]

    async def load(self) -> None:
        """Loads the least number of seats, one after the other: they would slow each other down.

        Raises:
            LabError: one can't be loaded; nothing is left running.
        """
        try:
            for _ in range(1 if self._alone else min(self._warmth.least, self._most)):
                seat = await self._load_one()
                if not seat.pids and not self._alone:
                    self._shared = True
                    return
            self._watching = asyncio.create_task(self._watch())
        except BaseException:
            await self.aclose()
            raise

    async def rehearse(self) -> None:
        """Has a conversation without a user, on a seat that was loaded, where that reaches nobody.

        Raises:
            LabError: its pipeline can't be started; nothing is left running.
        """
        if self._free and can_rehearse(self.spec, self._free[0].pids):
            seat = self._free[0]
            try:
                await rehearse(self.spec, seat.models)
            except BaseException:
                await self.aclose()
                raise
            seat.marks.drain()

    def take(self) -> Seat | None:
        """A seat; None: none is free."""
        if self._closed or not self._free:
            return None
        if self._shared:
            seat = self._free[0]
            return Seat(MarkList(), seat.models)
        self._demand.began(_now_s())
        # The one that was used last is the warmest.
        seat = max(self._free, key=lambda one: one.worked_s)
        self._free.remove(seat)
        if seat.is_foreseen:
            seat.is_foreseen = False
            self._told.ahead("used")
        return seat

    async def take_soon(self, wait_s: float) -> Seat | None:
        """A seat, also one that is just being made ready; None: all are taken, or the server ends.

        Args:
            wait_s: Longest wait for one that is being made ready, s.
        """
        seat = self.take()
        if seat is not None or self._closed:
            return seat
        if not self._repairs and self._making is None and self.has_room:
            self._demand.began(_now_s())
            self._told.ahead("cold")
            self._make()
        refused = asyncio.create_task(self._refuses.wait())
        try:
            async with asyncio.timeout(wait_s):
                while not self._free and (work := self._at_work()) and not refused.done():
                    await asyncio.wait({*work, refused}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            pass
        finally:
            refused.cancel()
        return None if self._refuses.is_set() else self.take()

    def refuse(self) -> None:
        """Whoever waits for a seat gets none: the server ends."""
        self._refuses.set()

    def give(self, seat: Seat) -> None:
        """Takes a seat back; it is free again when its models have come to rest."""
        if self._shared or self._closed:
            return
        self._repair(self._rest(seat))

    async def aclose(self) -> None:
        """Ends every process."""
        self._closed = True
        tasks = [*self._at_work(), *([self._watching] if self._watching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(seat.models.aclose() for seat in self._all))
        self._all.clear()
        self._free.clear()

    # inside

    @property
    def _most(self) -> int:
        return 1 if self._alone else self._warmth.most

    def _at_work(self) -> set[asyncio.Task[None]]:
        return {*self._repairs, *([self._making] if self._making else [])}

    async def _load_one(self) -> Seat:
        marks = MarkList()
        seat = Seat(marks, ModelPool(marks))
        self._all.append(seat)
        try:
            await self._prepare(seat)
        except BaseException:
            self._all.remove(seat)
            await seat.models.aclose()
            raise
        self._is_free(seat)
        return seat

    def _is_free(self, seat: Seat) -> None:
        seat.idle_since_s = seat.worked_s = _now_s()
        self._free.append(seat)
        self._told.changed()

    async def _watch(self) -> None:
        """Repairs free seats whose models have died; loads, ends and exercises the others."""
        while True:
            await asyncio.sleep(WATCH_S)
            for seat in [s for s in self._free if s.models.pids != s.pids]:
                self._free.remove(seat)
                self.give(seat)
            self._fit_to_demand()
            self._exercise()

    def _fit_to_demand(self) -> None:
        """Begins to load a seat that will be wanted, or ends one that nobody wants."""
        now_s, warmth = _now_s(), self._warmth
        foreseen = self._demand.seats(now_s, self.taken, warmth.ahead_s)
        wanted = min(self._most, max(warmth.least, foreseen))
        if len(self._all) < wanted and self._making is None:
            self._make(ahead=True)
        elif len(self._all) > wanted:
            idle = [s for s in self._free if now_s - s.idle_since_s > warmth.idle_s]
            if idle:
                self._end(min(idle, key=lambda one: one.worked_s))

    def _exercise(self) -> None:
        """Lets the seat that did nothing for longest do a little."""
        every_s = self._warmth.keep_alive_s
        idle = [s for s in self._free if every_s and _now_s() - s.worked_s > every_s]
        if idle and not self._repairs:
            seat = min(idle, key=lambda one: one.worked_s)
            self._free.remove(seat)
            self._repair(self._work_a_little(seat))

    async def _work_a_little(self, seat: Seat) -> None:
        idle_since_s = seat.idle_since_s
        try:
            await seat.models.keep_warm()
            seat.marks.drain()
        except LabError as error:
            self._told.tell(str(error))
        self._is_free(seat)
        seat.idle_since_s = idle_since_s

    def _make(self, *, ahead: bool = False) -> None:
        """Begins to load one more seat."""

        async def make() -> None:
            try:
                seat = await self._load_one()
            except LabError as error:
                self._told.tell(str(error))
                await asyncio.sleep(RETRY_S)
                return
            if ahead:
                seat.is_foreseen = True
                self._told.ahead("loaded")

        def made(_: object) -> None:
            self._making = None

        self._making = asyncio.create_task(make())
        self._making.add_done_callback(made)

    def _end(self, seat: Seat) -> None:
        """Ends a free seat's processes."""
        self._free.remove(seat)
        self._all.remove(seat)
        if seat.is_foreseen:
            self._told.ahead("unused")
        self._told.changed()
        self._repair(seat.models.aclose())

    def _repair(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._repairs.add(task)
        task.add_done_callback(self._repairs.discard)

    async def _prepare(self, seat: Seat) -> None:
        if path := architecture(self.spec.architecture).prepare:
            await load_object(path)(self.spec, seat.models)
        before, seat.pids = set(seat.pids), seat.models.pids
        if before and (new := set(seat.pids) - before):
            self._told.replaced(len(new))

    async def _rest(self, seat: Seat) -> None:
        """Brings a seat's models to rest, replaces the dead ones, and frees it."""
        for sentence in await seat.models.settle():
            self._told.tell(sentence)
        while True:
            try:
                await self._prepare(seat)
                break
            except LabError as error:
                self._told.tell(str(error))
                await asyncio.sleep(RETRY_S)
        seat.marks.drain()
        give_back()
        self._is_free(seat)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
