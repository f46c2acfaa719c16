"""`Conductor`: a backend that stands before others, and acts on what happens by the policy's table.

The session sees one agent. When that one dies or is late, the next of the chain goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from pipelines.clock import Clock, monotonic_ns
from pipelines.errors import LabError
from pipelines.server.runtime.conduct import Conduct
from pipelines.server.runtime.errands import Errands
from pipelines.server.runtime.floor import Floor
from pipelines.server.runtime.links import Link, Opened
from pipelines.server.runtime.policy import What
from pipelines.server.runtime.rates import Rates
from pipelines.server.runtime.skill_side import SkillSide
from pipelines.server.runtime.words import Words
from pipelines.server.session.backend import Capabilities, Emit
from pipelines.server.session.events import (
    AssistantPartial,
    AudioIn,
    AudioOut,
    Context,
    Control,
    Event,
    Failure,
    Fallback,
    Input,
    Interruption,
    Say,
    TurnEnd,
    Usage,
    UserPartial,
    UserText,
)
from pipelines.server.session.states import SessionError
from pipelines.server.skills.caller import SkillCaller

MOST_HELD = 500
"""Chunks of the user's that wait while agents are exchanged."""


class Conductor:
    """One conversation's agents, one after the other.

    Args:
        first: The agent that begins.
        rest: Those that may go on, in their order.
        conduct: How.
        caller: Runs skills; None: there are none.
        fell_back: Takes the word of what happened, for the figures.
        clock: The machine's clock.
    """

    def __init__(
        self,
        first: Opened,
        rest: Sequence[Link] = (),
        conduct: Conduct | None = None,
        caller: SkillCaller | None = None,
        fell_back: Callable[[str], None] = lambda why: None,
        clock: Clock = monotonic_ns,
    ) -> None:
        self.clock = clock
        self.floor = Floor(clock)
        self._now = first
        self._own = first.backend.capabilities
        self._rest = list(rest)
        self._conduct = conduct or Conduct()
        self._fell_back = fell_back
        self._emit: Emit | None = None
        self._rates = self._rates_of(first)
        self._words = Words()
        self._used_before = 0
        """Tokens that agents before this one used, as they are estimated."""
        self._counted = 0
        """Tokens that this one used, as its service counts them; 0: it does not."""
        self._sequence = 0
        self._generation = 0
        self._base = 0
        """Interruptions of agents before this one: an agent counts its own from 0."""
        self._held: deque[AudioIn] | None = None
        """The user's audio while agents are exchanged; None: they are not."""
        self._late: asyncio.TimerHandle | None = None
        self._errands = Errands(lambda said: self.put(Failure(self.clock(), said)))
        self._leaving = Errands(lambda said: None)
        self._skills = SkillSide(self, caller, self._conduct) if caller is not None else None

    # the session's side

    @property
    def capabilities(self) -> Capabilities:
        """Those of the agent that began; what inputs are taken is the present one's."""
        return replace(self._own, inputs=self.can.inputs)

    async def start(self, emit: Emit) -> None:
        """Starts the first agent, or the first of the others that can be started.

        Raises:
            LabError: none can be; of the first.
        """
        self._emit = emit
        try:
            await self._now.backend.start(self._taker(self._now))
        except LabError as error:
            if not self._goes_on("model_died"):
                raise
            self._hold()
            if not await self._exchange("model_died", [str(error)]):
                raise
            return
        if self._conduct.greeting:
            await self.tell(Say(self._conduct.greeting))

    def push(self, chunk: AudioIn) -> None:
        """Hands a chunk of the user's on; while agents are exchanged it waits."""
        if self._held is not None:
            self._held.append(chunk)
            return
        self._now.backend.push(self._rates.user(chunk))
        if self.can.full_duplex and self._late is None:
            self._owe_sound()

    async def send(self, given: Input) -> None:
        """Hands an input on.

        Raises:
            SessionError: the present agent takes none of this kind.
        """
        await self._now.backend.send(given)
        if isinstance(given, UserText):
            self._words.add("user", given.text)

    async def stop(self) -> None:
        """Ends the agent, and all that goes on beside it."""
        self._emit = None
        self._nothing_owed()
        await self._errands.aclose()
        if self._skills is not None:
            await self._skills.aclose()
        await self._now.backend.stop()
        await self._leaving.finish()

    def release(self) -> None:
        """Gives the present agent's seat back; once the session is over."""
        self._now.release()

    # what skills may use

    @property
    def can(self) -> Capabilities:
        """What the present agent can do."""
        return self._now.backend.capabilities

    def put(self, event: Event) -> None:
        """Tells whoever reads the conversation's events."""
        if self._emit is not None:
            self._emit(event)

    async def tell(self, given: Input) -> None:
        """Gives the present agent an input; one that it does not take is none."""
        with contextlib.suppress(SessionError):
            await self._now.backend.send(given)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something beside the conversation."""
        self._errands.run(work)

    # the agents' side

    def _taker(self, of: Opened) -> Emit:
        """Takes the events of one agent, for as long as it is the present one."""

        def take(event: Event) -> None:
            if of is self._now and self._emit is not None:
                self._take(event)

        return take

    def _take(self, event: Event) -> None:
        if isinstance(event, Failure) and (event.fatal or event.what):
            self._failed("context_full" if event.what == "context_full" else "model_died", event)
            return
        if isinstance(event, AudioOut):
            event = self._renumbered(event)
        elif isinstance(event, Interruption):
            self._generation = self._base + event.generation
            event = replace(event, generation=self._generation)
        if self._skills is not None:
            event = self._skills.take(event)
        self.floor.take(event)
        self._keep_words(event)
        self._keep_time(event)
        self.put(event)

    def _renumbered(self, chunk: AudioOut) -> AudioOut:
        """A chunk of the present agent's as one of the whole conversation."""
        self._generation = self._base + chunk.generation
        self._sequence += 1
        return replace(
            self._rates.agent(chunk), sequence=self._sequence - 1, generation=self._generation
        )

    def _keep_words(self, event: Event) -> None:
        if isinstance(event, UserPartial) and event.final:
            self._words.add("user", f"{event.text} ")
        elif isinstance(event, AssistantPartial):
            self._words.add("agent", event.text)
        elif isinstance(event, Usage):
            self._counted += event.read + event.written

    # lateness and budgets

    def _keep_time(self, event: Event) -> None:
        """Sets the time by which a sound is owed."""
        if isinstance(event, Control) and event.name == "user_speaking":
            if self.floor.user_speaks:
                self._nothing_owed()
                self._check_budget()
        elif isinstance(event, TurnEnd) and event.side == "user":
            self._owe_sound()
        elif isinstance(event, AudioOut):
            if self.can.full_duplex:
                self._owe_sound()
            elif not self.floor.waits:
                self._nothing_owed()

    def _owe_sound(self) -> None:
        """A sound is owed from now on."""
        self._nothing_owed()
        if self._conduct.late_s > 0 and self._held is None:
            loop = asyncio.get_running_loop()
            self._late = loop.call_later(self._conduct.late_s, self._is_late)

    def _nothing_owed(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_late(self) -> None:
        self._late = None
        if self._skills is not None and self._skills.at_work:
            self._owe_sound()  # the agent waits for it
            return
        said = f"{self._now.name} gave no sound within {self._conduct.late_s:g} s"
        self._failed("model_late", Failure(self.clock(), said))

    def _check_budget(self) -> None:
        used = self._counted or self._words.used - self._used_before
        if 0 < self._now.budget_tokens < used:
            how = "as its service counts" if self._counted else "estimated"
            said = f"{self._now.name} has used its {self._now.budget_tokens} tokens ({how})"
            self._failed("budget_spent", Failure(self.clock(), said))

    # exchanging agents

    def _goes_on(self, what: What) -> bool:
        """Whether another agent is to go on."""
        action = self._conduct.policy.decide(what, self.floor.state)
        return action == "fall_back" and bool(self._rest)

    def _failed(self, what: What, failure: Failure) -> None:
        """Acts on an agent that can't or must not go on."""
        if self._held is not None:
            return  # another is on its way
        if self._goes_on(what):
            self._hold()
            self.run(self._exchange_or_end(what, failure.message))
        elif failure.fatal or self._conduct.policy.decide(what, self.floor.state) != "ignore":
            self.put(failure)

    def _hold(self) -> None:
        self._held = deque(maxlen=MOST_HELD)
        self._nothing_owed()

    async def _exchange_or_end(self, what: What, message: str) -> None:
        tried = [message]
        if not await self._exchange(what, tried):
            self.put(Failure(self.clock(), "; ".join(tried), fatal=True))

    async def _exchange(self, what: What, tried: list[str]) -> bool:
        """Lets the next agent go on that can be started; False: none can.

        Args:
            what: Happened to the agent before.
            tried: Sentences on what failed so far; more are added.
        """
        old = self._now
        while self._rest:
            link = self._rest.pop(0)
            try:
                opened = await link.open()
            except LabError as error:
                tried.append(str(error))
                continue
            self._now, self._base = opened, self._generation
            try:
                await opened.backend.start(self._taker(opened))
            except LabError as error:
                tried.append(str(error))
                self._now = old
                self._leave(opened)
                continue
            except asyncio.CancelledError:  # the conversation ends meanwhile
                self._leave(old)
                raise
            self._leave(old)
            await self._go_on(old.name, what, tried[0])
            return True
        self._held = None
        return False

    def _leave(self, opened: Opened) -> None:
        """Ends an agent that is no longer needed, beside the conversation."""

        async def leave() -> None:
            try:
                await opened.backend.stop()
            finally:
                opened.release()

        self._leaving.run(leave())

    async def _go_on(self, old: str, what: What, message: str) -> None:
        """Tells user, client and agent, and hands over what the user said meanwhile."""
        new = self._now
        self._rates = self._rates_of(new)
        self._used_before, self._counted = self._words.used, 0
        self._fell_back(what)
        told = f"{message.rstrip('.')}: {new.name} goes on"
        self.put(Fallback(self.clock(), old, new.name, what, told))
        asked = self._words.asked if self.floor.waits and "text" in self.can.inputs else ""
        so_far = self._words.so_far(self._conduct.context_tokens, but_last=bool(asked))
        if so_far:
            await self.tell(Context("conversation", f"The conversation so far:\n{so_far}"))
        if self._conduct.sentence:
            await self.tell(Say(self._conduct.sentence, is_filler=True))
        if asked:
            await self.tell(UserText(asked))
        self.floor.user_speaks, self.floor.waits = False, bool(asked)
        held, self._held = self._held or deque(), None
        for chunk in held:
            self.push(chunk)
        if asked:
            self._owe_sound()

    def _rates_of(self, opened: Opened) -> Rates:
        can = opened.backend.capabilities
        return Rates(self._own.in_rate_hz, can.in_rate_hz, self._own.out_rate_hz)
