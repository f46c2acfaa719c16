"""A backend that remembers: what it hears is kept, and what fits is put into the model's context.

It stands between a session and the session's own backend, and holds neither up: what was said is
handed to the writer's thread, and a search runs on a reader's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from pipelines.clock import Clock, monotonic_ns
from pipelines.errors import LabError
from pipelines.server.memory.injection import Way, injection, way_in
from pipelines.server.memory.memories import UserMemory
from pipelines.server.memory.recall import Recall
from pipelines.server.memory.record import Candidate
from pipelines.server.session.backend import Backend, Capabilities, Emit
from pipelines.server.session.events import (
    AssistantPartial,
    AudioIn,
    Event,
    Failure,
    Input,
    Memory,
    Say,
    UserPartial,
    UserText,
)


class RememberingBackend:
    """A backend with a user's memory.

    Args:
        can: What the backend can do.
        make: Makes it, given the processors to stand before its language model.
        memory: The user's.
        tell: Takes a sentence for whoever runs the server.
        clock: The machine's clock.
    """

    def __init__(
        self,
        can: Capabilities,
        make: Callable[[Sequence[Any]], Backend],
        memory: UserMemory,
        tell: Callable[[str], None],
        clock: Clock = monotonic_ns,
    ) -> None:
        self._memory = memory
        self._tell = tell
        self._clock = clock
        self._emit: Emit | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._recall = Recall(memory, self._injected, self._failed)
        self._agent: list[str] = []
        """Pieces of what the agent says now."""
        self._broken = False
        """True while the memory can't be used, which was told."""
        self._work: set[asyncio.Task[None]] = set()
        options = memory.house.options
        self._way: Way = way_in(can, options.inject)
        before: list[Any] = []
        if self._way == "context":
            from pipelines.server.memory.before_answer import BeforeAnswer

            before = [BeforeAnswer(self._recall, options.wait_ms / 1_000)]
        self._backend = make(before)

    @property
    def capabilities(self) -> Capabilities:
        """The backend's."""
        return self._backend.capabilities

    async def start(self, emit: Emit) -> None:
        """Starts the backend."""
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        await self._backend.start(self._take)

    def push(self, chunk: AudioIn) -> None:
        """Hands the user's audio on."""
        self._backend.push(chunk)

    async def send(self, given: Input) -> None:
        """Hands an input on; what the user writes is kept as what they say."""
        if isinstance(given, UserText):
            self._heard(given.text)
        await self._backend.send(given)

    async def stop(self) -> None:
        """Ends the backend; what waits for the disk is written behind it."""
        self._agent_said()
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._backend.stop()
        self._emit = None
        await asyncio.to_thread(self._memory.close)

    # inside

    def _take(self, event: Event) -> None:
        self._say(event)
        if isinstance(event, UserPartial) and event.final and event.text.strip():
            self._heard(event.text)
        elif isinstance(event, AssistantPartial):
            self._agent.append(event.text)

    def _say(self, event: Event) -> None:
        if self._emit is not None:
            self._emit(event)

    def _heard(self, text: str) -> None:
        """The user said something: it is searched for, and kept."""
        self._agent_said()
        if self._way == "context":
            self._recall.foresee(text)
        elif self._way != "off" or self._memory.house.options.inject == "off":
            task = asyncio.create_task(self._inject(text))
            self._work.add(task)
            task.add_done_callback(self._work.discard)
        self._keep("user", text)

    def _agent_said(self) -> None:
        text, self._agent = "".join(self._agent).strip(), []
        if text:
            self._keep("agent", text)

    def _keep(self, source: str, text: str) -> None:
        promise = self._memory.keep(source, text)
        if promise is not None:
            promise.add_done_callback(self._kept)

    def _kept(self, promise: Future[object]) -> None:
        """On the writer's thread: an utterance is on the disk, or will not be."""
        error = promise.exception()
        if self._loop is None or self._loop.is_closed():
            return
        if error is None:
            self._loop.call_soon_threadsafe(self._works)
        else:
            self._loop.call_soon_threadsafe(self._failed, str(error))

    def _works(self) -> None:
        self._broken = False

    def _failed(self, sentence: str) -> None:
        """Tells, once, that the memory can't be used; the conversation goes on."""
        if not self._broken:
            self._broken = True
            said = f"{sentence}: the conversation goes on without it."
            self._tell(said)
            self._say(Failure(self._clock(), said))

    async def _inject(self, text: str) -> None:
        """Puts what an utterance brings back into a model that has no language model before it."""
        found = await self._recall.find(text, wait_s=None)
        if not found or self._way == "off":
            return
        given = injection(found)
        try:
            await self._backend.send(Say(given.summary) if self._way == "say" else given)
        except LabError as error:
            self._failed(str(error))

    def _injected(self, found: Sequence[Candidate]) -> None:
        self._say(Memory(self._clock(), tuple(one.memory.text for one in found)))
