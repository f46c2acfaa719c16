"""A backend that remembers: what it hears is kept, and what fits is put into the model's context.

It stands between a session and the session's own backend, and holds neither up: what was said is
handed to the writer's thread, and a search runs on a reader's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from pipelines.clock import Clock, monotonic_ns
from pipelines.errors import LabError
from pipelines.server.memory.disk.record import Candidate
from pipelines.server.memory.injection import Way, injection, way_in
from pipelines.server.memory.memories import UserMemory
from pipelines.server.memory.recall import Recall
from pipelines.server.session.backend import Backend, Capabilities, Emit
from pipelines.server.session.events import (
    AssistantPartial,
    AudioIn,
    Control,
    Event,
    Failure,
    Input,
    Memory,
    Say,
    UserPartial,
    UserText,
)

if TYPE_CHECKING:
    from pipelines.server.memory.listener import Listener

LAST_SEARCH_S = 1.0
"""Longest wait, at a conversation's end, for searches that are under way, s."""
LONGEST_TURN_S = 20.0
"""Longest time for which memories wait for a pause of the user's, s."""


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
        self._over = False
        self._pause = asyncio.Event()
        """Set while the user is silent: nothing is said into their words."""
        self._pause.set()
        self._listener: Listener | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._searching: set[asyncio.Future[list[Candidate]]] = set()
        """Searches that are under way; what was said is kept behind them."""
        options = memory.house.options
        self._way: Way = way_in(can, options.inject)
        before: list[Any] = []
        if self._way == "context":
            from pipelines.server.memory.before_answer import BeforeAnswer

            before = [BeforeAnswer(self._recall, options.wait_ms / 1_000)]
        self._backend = make(before)
        if can.full_duplex and memory.house.recogniser is not None:
            from pipelines.server.memory.listener import Listener

            self._listener = Listener(
                memory.house.recogniser, can.in_rate_hz, self._overheard, self._failed
            )

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
        if self._listener is not None:
            self._listener.push(chunk)

    async def send(self, given: Input) -> None:
        """Hands an input on; what the user writes is kept as what they say."""
        if isinstance(given, UserText):
            self._heard(given.text)
        await self._backend.send(given)

    async def stop(self) -> None:
        """Ends the backend; what waits for the disk or the recogniser is kept behind it."""
        self._over = True
        self._agent_said()
        if self._listener is not None:
            last = asyncio.create_task(self._listener.finish())
            self._memory.house.understanding.add(last)
            last.add_done_callback(self._memory.house.understanding.discard)
        if self._searching:
            await asyncio.wait(list(self._searching), timeout=LAST_SEARCH_S)
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
        elif isinstance(event, Control) and event.name == "user_speaking":
            if event.value == "true":
                self._pause.clear()
            else:
                self._pause.set()
            if self._listener is not None:
                self._listener.speaking(event)

    def _say(self, event: Event) -> None:
        if self._emit is not None:
            self._emit(event)

    def _overheard(self, text: str) -> None:
        """The recogniser has understood an utterance, perhaps after the conversation's end."""
        self._heard(text, "listener")

    def _heard(self, text: str, source: str = "user") -> None:
        """The user said something: it is searched for, and kept."""
        self._agent_said()
        injects = self._way != "off" or self._memory.house.options.inject == "off"
        if self._way != "context" and (self._over or not injects):
            self._keep(source, text)
            return
        # Kept once it was searched for: else its own words would count as common ones.
        searching = self._recall.foresee(text)
        self._searching.add(searching)
        searching.add_done_callback(self._searching.discard)
        searching.add_done_callback(lambda _: self._keep(source, text))
        if self._way != "context":
            task = asyncio.create_task(self._inject(text))
            self._work.add(task)
            task.add_done_callback(self._work.discard)

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
            async with asyncio.timeout(LONGEST_TURN_S):
                await self._pause.wait()
            await self._backend.send(Say(given.summary) if self._way == "say" else given)
        except LabError as error:
            self._failed(str(error))
        except TimeoutError:
            return  # whatever it was about, it is over

    def _injected(self, found: Sequence[Candidate]) -> None:
        self._say(Memory(self._clock(), tuple(one.memory.text for one in found)))
