"""`VoiceService`: the presets of a server, and the conversations that are open. No protocol.

A door asks for a conversation and gets a started `Session`; what the door's clients say and hear is
the door's. The service counts, logs, ends what lasts too long, and drains at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from pipelines.errors import LabError
from pipelines.marks import MarkList
from pipelines.registry import load_object
from pipelines.secrets import redact
from pipelines.server.memory.memories import Memories
from pipelines.server.runtime.conductor import Conductor
from pipelines.server.runtime.links import Link, Opened
from pipelines.server.runtime.runtime import Runtime, is_address
from pipelines.server.service.figures import Figures
from pipelines.server.service.warm import Told, WarmPool, Warmth
from pipelines.server.session.backend import Backend, Capabilities
from pipelines.server.session.conversation import Session
from pipelines.server.session.forms import STEP_MODELS, VOICE_PIPELINE, servable
from pipelines.server.session.log import NoLog, SessionLog
from pipelines.server.session.step import StepBackend
from pipelines.server.skills.caller import SkillCaller
from pipelines.spec import PipelineSpec, did_you_mean

GOES_DOWN = "the server is shutting down"
GOODBYE_S = 5.0
"""Longest time for which an agent may finish what it says when the server ends, s."""


SEAT_S = 5.0
"""Longest wait for a seat that the conversation before has just left, s."""


class RefusedError(LabError):
    """A conversation can't begin; one sentence.

    Args:
        why: One word, for the figures: full, draining or preset.
        sentence: For the client.
    """

    def __init__(self, why: str, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server bears."""

    seats: int = 2
    """Conversations at a time with each preset that has models."""
    connections: int = 200
    """Connections at a time, of all doors."""
    conversation_s: float = 1_800.0
    """Longest conversation, s."""
    conversations: int = 0
    """Conversations at a time, of all presets; 0: as many as there are seats."""


def to_stderr(sentence: str) -> None:
    """Prints a sentence for whoever runs the server."""
    print(f"duplex-lab: {redact(sentence)}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class _Call:
    """What the agents of one conversation have in common."""

    marks: MarkList | None
    """None: nobody keeps them."""
    caller: SkillCaller | None
    user: str | None
    """See `VoiceService.conversation`."""


@dataclass(slots=True)
class VoiceService:
    """Presets that people can talk to.

    Args:
        specs: The presets; the first is the default.
        limits: What it bears.
        log: Keeps conversations that are over.
        tell: Takes sentences for whoever runs the server.
        steps: Names of step models (`STEP_MODELS`) that are served beside the presets.
        runtime: Skills, policy, and the presets to fall back to.
    """

    specs: Sequence[PipelineSpec]
    limits: Limits = field(default_factory=Limits)
    log: SessionLog = field(default_factory=NoLog)
    tell: Callable[[str], None] = to_stderr
    steps: Sequence[str] = ()
    runtime: Runtime = field(default_factory=Runtime)
    """What goes on beside conversations."""
    memory: Memories | None = None
    """What users said in earlier conversations; None: nothing is remembered."""
    warmth: Warmth | None = None
    """Seats of each preset that are warm; None: all of them."""
    figures: Figures = field(default_factory=Figures)
    draining: bool = False
    """True once no conversation may begin."""
    _pools: dict[str, WarmPool] = field(default_factory=dict)
    _open: set[Session] = field(default_factory=set)

    def __post_init__(self) -> None:
        for spec in self._all_specs:
            servable(spec)

    @property
    def _warmth(self) -> Warmth:
        seats = self.limits.seats
        return self.warmth or Warmth(most=seats, least=seats)

    @property
    def _all_specs(self) -> list[PipelineSpec]:
        """Presets with a pool: those that can be asked for, and those that others fall back to."""
        return [*self.specs, *self.runtime.spare]

    @property
    def names(self) -> list[str]:
        """What can be asked for, the default first."""
        return [*(spec.name for spec in self.specs), *self.steps]

    @property
    def open(self) -> int:
        """Number of conversations now."""
        return len(self._open)

    @property
    def ready(self) -> bool:
        """Whether a conversation can begin: models are loaded, and the server goes on."""
        return len(self._pools) == len(self._all_specs) and not self.draining

    def ready_for(self, name: str) -> bool:
        """Whether a conversation with a preset could begin now."""
        pool = self._pools.get(name)
        return self.ready and (name in self.steps or (pool is not None and pool.has_room))

    @property
    def pids(self) -> list[int]:
        """Model processes that run now."""
        return [pid for pool in self._pools.values() for pid in pool.pids]

    def can(self) -> dict[str, Capabilities]:
        """Name → what it can do."""
        found = {name: load_object(STEP_MODELS[name])().capabilities for name in self.steps}
        if self.specs:
            from pipelines.server.session.pipeline import capabilities_of

            found |= {spec.name: capabilities_of(spec) for spec in self.specs}
        return {name: found[name] for name in self.names}

    async def start(self) -> None:
        """Loads the models of every preset.

        Raises:
            LabError: one can't be loaded; nothing is left running.
        """
        import importlib

        if self._all_specs:
            importlib.import_module("pipelines.server.session.pipeline")  # not in the first call
        if self.memory is not None:
            self.memory.start()
            if any(spec.kind == "duplex" for spec in self._all_specs):
                await self.memory.listen()
        for spec in self._all_specs:
            name = spec.name
            told = Told(
                self.tell,
                partial(self.figures.replaced, name),
                partial(self._told_warm, name),
                partial(self.figures.ahead, name),
            )
            pool = WarmPool(spec, self._warmth, told)
            try:
                await pool.load()
                await pool.rehearse()
            except BaseException:
                await self.close()
                raise
            self._pools[name] = pool
            self._told_warm(name)

    def spec(self, name: str | None) -> PipelineSpec | None:
        """The preset of a name; None: it is a step model's.

        Raises:
            RefusedError: it is not served here.
        """
        if not name:
            return self.specs[0] if self.specs else None
        plain = name.removeprefix(VOICE_PIPELINE)
        for spec in self.specs:
            if spec.name == plain:
                return spec
        if name in self.steps:
            return None
        near = did_you_mean(plain, self.names)
        here = ", ".join(self.names)
        raise RefusedError("preset", f"{name!r} is not served here{near}; served: {here}")

    @contextlib.asynccontextmanager
    async def conversation(
        self, preset: str | None, door: str, user: str | None = ""
    ) -> AsyncIterator[Session]:
        """A started session with a preset, ended with the block.

        Args:
            preset: Its name; empty or None: the default.
            door: The protocol by which it comes, for log and figures.
            user: Subject of the client's token; empty: none was asked for; None: it is not known
                who speaks, and nothing is remembered.

        Raises:
            RefusedError: it is not served here, all seats are taken, or the server ends.
            LabError: its pipeline can't be started.
        """
        name = preset or (self.names[0] if self.names else "")
        try:
            spec = self.spec(preset)
            if self.draining:
                raise RefusedError("draining", GOES_DOWN)
            if 0 < self.limits.conversations <= len(self._open):
                raise RefusedError(
                    "full",
                    f"the server is in {self.limits.conversations} conversations, the most that it "
                    "may: try again in a few seconds",
                )
        except RefusedError as refused:
            self.figures.refused(refused.why)
            raise
        name = spec.name if spec is not None else name
        session, give = await self._seated(spec, name, door, user)
        self._open.add(session)
        self.figures.opened(name, door)
        watch = asyncio.create_task(self._end_late(session))
        try:
            await session.start()
            yield session
        finally:
            watch.cancel()
            await session.stop()
            self._open.discard(session)
            self.figures.closed(name, door, session.failed)
            give()

    async def hang_up(self, reason: str) -> None:
        """Ends every conversation; others may begin."""
        await asyncio.gather(*(one.stop(reason) for one in list(self._open)))

    async def drain(self, reason: str, grace_s: float = GOODBYE_S) -> None:
        """Lets nobody in, and ends every conversation once its agent has finished speaking."""
        self.draining = True
        for pool in self._pools.values():
            pool.refuse()
        await asyncio.gather(*(one.stop(reason, grace_s) for one in list(self._open)))

    async def close(self) -> None:
        """Ends the models' processes."""
        self.draining = True
        await asyncio.gather(*(one.stop("the server has ended") for one in list(self._open)))
        await asyncio.gather(*(pool.aclose() for pool in self._pools.values()))
        self._pools.clear()
        if self.memory is not None:
            await self.memory.aclose()

    # inside

    async def _seated(
        self, spec: PipelineSpec | None, name: str, door: str, user: str | None
    ) -> tuple[Session, Callable[[], None]]:
        """A session on a seat, and how to give the seat back."""
        runtime, marks = self.runtime, MarkList() if self.log.keeps else None
        caller = SkillCaller(runtime.registry) if runtime.registry is not None else None
        call = _Call(marks, caller, user)
        begins, *others = runtime.order(name)
        try:
            first = await self._opened(begins, call)
        except RefusedError as refused:
            self.figures.refused(refused.why)
            raise
        backend, release = first.backend, first.release
        if runtime.conducts:
            rest = [Link(one, partial(self._opened, one, call)) for one in others]
            fell_back = partial(self.figures.fell_back, name)
            conductor = Conductor(first, rest, runtime.conduct, caller, fell_back)
            backend, release = conductor, conductor.release
        session = Session(backend, spec=spec, marks=marks, log=self.log, door=door)
        return session, release

    async def _opened(self, name: str, call: _Call) -> Opened:
        """An agent on a seat of its own, with its user's memory where there is one.

        Raises:
            RefusedError: all seats are taken.
        """
        budget = self.runtime.budget_tokens.get(name, 0)
        if is_address(name):
            return Opened(name, self.runtime.connect(name), budget_tokens=budget)
        if name in self.steps:
            model = load_object(STEP_MODELS[name])()
            can = model.capabilities
            step = self._remembering(call.user, can, lambda before: StepBackend(model))
            return Opened(name, step, budget_tokens=budget)
        from pipelines.server.session.pipeline import PipelineBackend, capabilities_of

        pool = self._pools.get(name)
        seat = await pool.take_soon(SEAT_S) if pool is not None else None
        if self.draining:
            raise RefusedError("draining", GOES_DOWN)
        if pool is None or seat is None:
            raise RefusedError(
                "full",
                f"{name} is in as many conversations as it can have at a time: try again in "
                "a few seconds",
            )
        self._told_warm(name)
        backend = self._remembering(
            call.user,
            capabilities_of(pool.spec),
            lambda before: PipelineBackend(
                pool.spec, seat.models, call.marks, before_answer=before, skills=call.caller
            ),
        )

        def release() -> None:
            pool.give(seat)
            self._told_warm(name)

        return Opened(name, backend, release, budget)

    def _remembering(
        self, user: str | None, can: Capabilities, make: Callable[[Sequence[Any]], Backend]
    ) -> Backend:
        """A backend, with its user's memory where there is one."""
        memory = self.memory
        if memory is None or user is None:
            return make([])
        whose = user or memory.options.local_user
        if not whose:
            return make([])
        from pipelines.server.memory.remembering import RememberingBackend

        return RememberingBackend(can, make, memory.of(whose, uuid4().hex), self.tell)

    async def _end_late(self, session: Session) -> None:
        await asyncio.sleep(self.limits.conversation_s)
        minutes = self.limits.conversation_s / 60
        await session.stop(f"a conversation lasts {minutes:.0f} minutes at most", GOODBYE_S)

    def _told_warm(self, name: str) -> None:
        if pool := self._pools.get(name):
            self.figures.warm(name, pool.free, pool.taken)
