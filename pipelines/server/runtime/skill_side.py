"""`SkillSide`: the skills' side of a conversation: calls are run, waits filled, results told."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from pipelines.clock import Clock
from pipelines.server.runtime.conduct import Conduct
from pipelines.server.runtime.floor import Floor
from pipelines.server.runtime.policy import What
from pipelines.server.session.backend import Capabilities
from pipelines.server.session.events import (
    Command,
    Context,
    Event,
    Input,
    Say,
    ToolCall,
    ToolCancelled,
    ToolOutput,
    ToolResult,
)
from pipelines.server.skills.caller import Outcome, SkillCaller

HOLD_S = 10.0
"""Longest wait of words that an agent is to say until nobody speaks, s."""
LOOK_S = 0.05
"""Interval at which it is looked whether somebody speaks, s."""


class Talk(Protocol):
    """The conversation, as its skills see it."""

    clock: Clock
    floor: Floor

    @property
    def can(self) -> Capabilities:
        """What the present agent can do."""

    def put(self, event: Event) -> None:
        """Tells whoever reads the conversation's events."""

    async def tell(self, given: Input) -> None:
        """Gives the present agent an input; one that it does not take is none."""

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something beside the conversation."""


class SkillSide:
    """Skills of one conversation.

    Args:
        talk: The conversation.
        caller: Runs the skills.
        conduct: Policy and fillers.
    """

    def __init__(self, talk: Talk, caller: SkillCaller, conduct: Conduct) -> None:
        self._talk = talk
        self._caller = caller
        self._policy = conduct.policy
        self._fillers: Sequence[str] = conduct.fillers
        self._filler_s = conduct.filler_ms / 1_000
        self._filled = 0
        caller.listen(talk.put, self._begun, self._came)

    @property
    def at_work(self) -> bool:
        """Whether a skill is at work."""
        return self._caller.at_work > 0

    def take(self, event: Event) -> Event:
        """Acts on an event of the agent's; returns it as others are to see it."""
        if isinstance(event, ToolCancelled):
            self._caller.cancel(event.call_id)
        elif isinstance(event, ToolResult) and event.is_late:  # the watcher's slow reasoner
            outcome = Outcome(event.call_id, event.name, "done", event.result)
            self._talk.run(self._inject("plan_ready", outcome))
        elif isinstance(event, ToolCall) and self._is_ours(event):
            self._talk.run(self._run(event))
            return replace(event, answered_here=True)
        return event

    async def aclose(self) -> None:
        """Ends all calls."""
        await self._caller.aclose()

    # inside

    def _is_ours(self, call: ToolCall) -> bool:
        return not call.answered_here and self._caller.registry.get(call.name) is not None

    async def _run(self, call: ToolCall) -> None:
        outcome = await self._caller.run(call.call_id, call.name, call.arguments)
        # A pipeline whose model calls functions runs the skills itself: this call is the watcher's.
        asked = "tool_result" in self._talk.can.inputs and "functions" not in self._talk.can.inputs
        if asked:  # by the agent itself: an answer is owed
            await self._talk.tell(ToolOutput(call.call_id, outcome.output))
        if outcome.status == "done":
            now_ns = self._talk.clock()
            self._talk.put(ToolResult(now_ns, call.call_id, call.name, outcome.output))
        if not asked and (what := _WHAT.get(outcome.status)):
            await self._inject(what, outcome)

    def _begun(self, call_id: str) -> None:
        """A skill is at work: a filler is due, if it takes long."""
        if self._fillers and not self._talk.can.full_duplex:  # that one speaks on by itself
            self._talk.run(self._fill(call_id))

    async def _fill(self, call_id: str) -> None:
        await asyncio.sleep(self._filler_s)
        if self._caller.is_at_work(call_id) and self._decides("skill_runs"):
            text = self._fillers[self._filled % len(self._fillers)]
            self._filled += 1
            await self._talk.tell(Say(text, is_filler=True))

    def _came(self, outcome: Outcome) -> None:
        """A late call is over."""
        if outcome.status == "done":
            now_ns = self._talk.clock()
            result = ToolResult(now_ns, outcome.call_id, outcome.name, outcome.output, True)
            self._talk.put(result)
        self._talk.run(self._inject("skill_came", outcome))

    def _decides(self, what: What) -> bool:
        """Whether the agent is to be told."""
        return self._policy.decide(what, self._talk.floor.state) == "inject"

    async def _inject(self, what: What, outcome: Outcome) -> None:
        """Tells the agent of an outcome, where the policy says so."""
        said = self._words(outcome)
        if not said or not self._decides(what):
            return
        inputs = self._talk.can.inputs
        if "context" in inputs:
            await self._talk.tell(Context(outcome.name, f"{outcome.name}: {said}"))
            if "respond" in inputs and self._talk.floor.state in ("quiet", "waiting"):
                await self._talk.tell(Command("respond"))
        elif "tool_result" in inputs:
            await self._talk.tell(ToolOutput(outcome.call_id, outcome.output))
        elif "say" in inputs and await self._pause():
            await self._talk.tell(Say(said))

    def _words(self, outcome: Outcome) -> str:
        """What came of a call, in words; empty: nothing worth saying."""
        output = outcome.output
        if isinstance(output, Mapping):
            for key in ("error", "plan"):
                if key in output:
                    return str(output[key])
        skill = self._caller.registry.get(outcome.name)
        return skill.said(output) if skill is not None else ""

    async def _pause(self) -> bool:
        """Waits until nobody speaks; False: that took too long, and the words are stale."""
        floor, loop = self._talk.floor, asyncio.get_running_loop()
        end_s = loop.time() + HOLD_S
        while floor.state in ("user_speaks", "agent_speaks"):
            if loop.time() > end_s:
                return False
            await asyncio.sleep(max(floor.left_s, LOOK_S))
        return True


_WHAT: dict[str, What] = {
    "done": "skill_done",
    "failed": "skill_failed",
    "refused": "skill_refused",
}
"""Status of an outcome → what happened."""
