"""Callers in virtual time, of an agent whose answers wait in a queue of known law (M/D/c).

Real conversations by the real loop of a call, on a clock that is moved: an hour of calls takes
seconds, and its figures are known beforehand. Calls of one turn only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.caller.conversation import START_DELAY_NS, Conversation
from bench.caller.doubles import VirtualConnection
from bench.caller.plan import CallerPlan, CallerResult
from bench.capacity.calls import Give, Load, Ordered
from bench.lines.line import Audio, Words
from bench.simulated.queue import waits_of
from bench.simulated.queue_agent import ANSWER_S, HANG_S, OUT_RATE_HZ
from pipelines.clock import NS_PER_S, FakeClock


@dataclass(frozen=True, slots=True)
class QueueCallers:
    """All callers of an agent that makes so many answers at once, each in the same time.

    Args:
        service_s: Time that an answer takes.
        servers: Answers that are made at once.
        words: What it reports to have said; empty: its line carries no words.
    """

    service_s: float
    servers: int
    words: str = "the door is open"

    def play(self, ordered: Sequence[Ordered], give: Give) -> Load:
        """See `bench.capacity.level.Speakers.play`."""
        answers_s = self._answers_s(ordered)
        spans: list[tuple[float, float]] = []
        for number, (one, answer_s) in enumerate(zip(ordered, answers_s, strict=True)):
            result = self._call(one.plan, one.at_s, answer_s)
            spans.append((one.at_s, one.at_s + result.wall_s))
            give(number, result)
        return Load(0, max(end for _, end in spans), 0.0, _most_open(spans))

    def _answers_s(self, ordered: Sequence[Ordered]) -> list[float]:
        """When each answer begins, in the order of the calls."""
        asked = [(one.at_s + _asked_s(one.plan), number) for number, one in enumerate(ordered)]
        asked.sort()
        waits = waits_of([at_s for at_s, _ in asked], self.service_s, self.servers)
        found = [0.0] * len(ordered)
        for (at_s, number), wait_s in zip(asked, waits.tolist(), strict=True):
            found[number] = at_s + wait_s + self.service_s
        return found

    def _call(self, plan: CallerPlan, at_s: float, answer_s: float) -> CallerResult:
        clock = FakeClock(round(at_s * NS_PER_S))
        t = np.arange(round(ANSWER_S * OUT_RATE_HZ)) / OUT_RATE_HZ
        tone = np.rint(8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
        at_ns = round(answer_s * NS_PER_S)
        said = [(at_ns, Words("agent", self.words))] if self.words else []
        connection = VirtualConnection(clock, [*said, (at_ns, Audio("g0:0", 0, tone))])
        conversation = Conversation(plan, connection, OUT_RATE_HZ, clock)
        conversation.run()
        result = conversation.result()
        result.wall_s = (clock() - round(at_s * NS_PER_S)) / NS_PER_S
        return result


def _asked_s(plan: CallerPlan) -> float:
    """When the agent knows that the user has finished, from the call's beginning."""
    (turn,) = plan.turns
    spoken_s = turn.delay_ms / 1000 + turn.u_off / plan.in_rate_hz
    return START_DELAY_NS / NS_PER_S + spoken_s + HANG_S


def _most_open(spans: Sequence[tuple[float, float]]) -> int:
    """The largest number of calls at once."""
    changes = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    return int(np.cumsum([change for _, change in changes]).max())
