"""`SkillCaller`: runs the calls of one conversation, each within its budget, and keeps account.

A call is checked, run, and answered in time: by its result, or by the word that it is late. The
result of a late one arrives later, as an event. No call ever holds the voice up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipelines.clock import NS_PER_MS, Clock, monotonic_ns
from pipelines.secrets import redact
from pipelines.server.session.backend import Emit
from pipelines.server.session.events import Audit, Step
from pipelines.server.skills.registry import Registry
from pipelines.server.skills.skill import SkillError

MOST_AT_WORK = 8
"""Calls of one conversation at a time; more are refused."""
LATE = {"status": "late", "note": "it takes longer; the result follows"}
"""Answer to a call whose budget is over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call."""

    call_id: str
    name: str
    status: Literal["done", "refused", "failed", "late", "cancelled"]
    output: Any
    """The result, for the agent; of a call that was refused or failed, a table with ``error``."""


@dataclass(slots=True)
class _Work:
    name: str
    began_ns: int
    task: asyncio.Task[Any]
    is_late: bool = False


class SkillCaller:
    """The calls of one conversation; `pipelines.host.Skills` of its pipeline.

    Args:
        registry: The skills.
        clock: The machine's clock.
    """

    def __init__(self, registry: Registry, clock: Clock = monotonic_ns) -> None:
        self.registry = registry
        self._clock = clock
        self._work: dict[str, _Work] = {}
        self._emit: Emit = lambda event: None
        self._began: Callable[[str], None] = lambda call_id: None
        self._came: Callable[[Outcome], None] = lambda outcome: None

    def listen(
        self, emit: Emit, began: Callable[[str], None], came: Callable[[Outcome], None]
    ) -> None:
        """Names who is told.

        Args:
            emit: Takes the audit events.
            began: Takes the id of each call that is at work.
            came: Takes the outcome of each call that was late.
        """
        self._emit, self._began, self._came = emit, began, came

    @property
    def at_work(self) -> int:
        """Number of calls that are not over."""
        return len(self._work)

    def is_at_work(self, call_id: str) -> bool:
        """Whether a call is not over, and not late."""
        work = self._work.get(call_id)
        return work is not None and not work.is_late

    def declared(self) -> Sequence[Mapping[str, Any]]:
        """The skills, each as a table."""
        return self.registry.declared()

    async def call(self, call_id: str, name: str, arguments: Mapping[str, Any]) -> Any:
        """What goes to the agent for a call, within its budget."""
        return (await self.run(call_id, name, arguments)).output

    async def run(self, call_id: str, name: str, arguments: Mapping[str, Any]) -> Outcome:
        """Checks and runs a call; returns within its budget."""
        began_ns = self._clock()
        self._tell(call_id, name, "asked", began_ns)
        skill = self.registry.get(name)
        fault = self.registry.fault(name, arguments) or self._no_room(call_id)
        if fault or skill is None:
            self._tell(call_id, name, "refused", began_ns, fault)
            return Outcome(call_id, name, "refused", {"error": fault})
        task = asyncio.ensure_future(skill.run(arguments))
        work = self._work[call_id] = _Work(name, began_ns, task)
        self._began(call_id)
        try:
            await asyncio.wait({task}, timeout=skill.budget_ms / 1_000)
        except asyncio.CancelledError:  # the user interrupted: the work goes on behind
            self._late(call_id, work)
            raise
        if self._work.get(call_id) is not work:
            return Outcome(call_id, name, "cancelled", {"status": "cancelled"})
        if task.done():
            del self._work[call_id]
            outcome = self._outcome(call_id, work)
            step: Step = "done" if outcome.status == "done" else "failed"
            self._tell(call_id, name, step, began_ns, _note(outcome))
            return outcome
        self._late(call_id, work)
        return Outcome(call_id, name, "late", dict(LATE))

    def cancel(self, call_id: str) -> bool:
        """Ends a call that is no longer wanted; False: it is not at work."""
        work = self._work.pop(call_id, None)
        if work is None:
            return False
        work.task.cancel()
        self._tell(call_id, work.name, "cancelled", work.began_ns)
        return True

    async def aclose(self) -> None:
        """Ends all calls."""
        tasks = [work.task for work in self._work.values()]
        for call_id in list(self._work):
            self.cancel(call_id)
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    # inside

    def _no_room(self, call_id: str) -> str:
        if call_id in self._work:
            return f"the call {call_id} is at work already"
        if len(self._work) >= MOST_AT_WORK:
            return f"{MOST_AT_WORK} calls are at work: that is the most of one conversation"
        return ""

    def _late(self, call_id: str, work: _Work) -> None:
        work.is_late = True
        self._tell(call_id, work.name, "late", work.began_ns)
        work.task.add_done_callback(lambda _: self._arrived(call_id, work))

    def _arrived(self, call_id: str, work: _Work) -> None:
        if self._work.get(call_id) is not work:
            return  # cancelled
        del self._work[call_id]
        outcome = self._outcome(call_id, work)
        self._tell(call_id, work.name, "came", work.began_ns, _note(outcome))
        self._came(outcome)

    def _outcome(self, call_id: str, work: _Work) -> Outcome:
        if work.task.cancelled():  # by itself: nobody here did
            return Outcome(call_id, work.name, "failed", {"error": "it broke off"})
        error = work.task.exception()
        if error is None:
            return Outcome(call_id, work.name, "done", work.task.result())
        said = str(error) if isinstance(error, SkillError) else f"{type(error).__name__}: {error}"
        return Outcome(call_id, work.name, "failed", {"error": redact(said)})

    def _tell(self, call_id: str, name: str, step: Step, began_ns: int, note: str = "") -> None:
        now_ns = self._clock()
        ms = (now_ns - began_ns) / NS_PER_MS
        self._emit(Audit(now_ns, call_id, name, step, ms, note))


def _note(outcome: Outcome) -> str:
    return str(outcome.output["error"]) if outcome.status == "failed" else ""
