"""Many calls, each in a thread of its own: the other way, beside which the loop is measured.

``python scripts/callers.py`` measures both. What the system does well, waking whoever is due, costs
two changes of thread and the wait for Python's lock at every message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.caller.call import fault, peak_rss_mb, reach
from bench.caller.connection import AgentGoneError
from bench.caller.conversation import Conversation
from bench.caller.plan import CallerPlan, CallerResult
from bench.capacity.calls import LEAD_S, Give, Load, Ordered
from bench.lines.line import LineError
from pipelines.clock import NS_PER_S, monotonic_ns
from pipelines.marks import Mark


@dataclass(slots=True)
class _Ended:
    """A call that is over."""

    marks: list[Mark]
    error: str | None
    conversation: Conversation | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0

    def result(self) -> CallerResult:
        """Its result, with the recordings."""
        if self.conversation is None:
            return CallerResult("error", self.error, 0, 0, self.marks)
        result = self.conversation.result(self.error)
        result.marks = [*self.marks, *result.marks]
        result.wall_s, result.cpu_s, result.rss_peak_mb = self.wall_s, self.cpu_s, peak_rss_mb()
        return result


def _converse(plan: CallerPlan) -> _Ended:
    reached = reach(plan)
    if reached.connection is None:
        return _Ended(reached.marks, reached.error)
    with reached:
        conversation, error = reached.conversation(plan), None
        began_ns, cpu_s = monotonic_ns(), time.thread_time()
        try:
            conversation.run()
            reached.connection.hang_up()
        except (AgentGoneError, LineError) as gone:
            error = fault(gone, plan.line)
        wall_s = (monotonic_ns() - began_ns) / NS_PER_S
        return _Ended(reached.marks, error, conversation, wall_s, time.thread_time() - cpu_s)


@dataclass(slots=True)
class _Count:
    """How many threads are within a block, and how many there ever were at once."""

    most: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._now -= 1


def play(ordered: Sequence[Ordered], give: Give) -> Load:
    """Makes all calls, each in a thread; see `bench.capacity.calls.Way`."""
    ended: dict[int, _Ended] = {}
    count, threads = _Count(), []
    began_ns = monotonic_ns() + int(LEAD_S * NS_PER_S)

    def speak(number: int) -> None:
        with count:
            ended[number] = _converse(ordered[number].plan)

    cpu_s = time.process_time()
    for number in sorted(range(len(ordered)), key=lambda i: ordered[i].at_s):
        at_ns = began_ns + int(ordered[number].at_s * NS_PER_S)
        time.sleep(max(0, at_ns - monotonic_ns()) / NS_PER_S)
        threads.append(threading.Thread(target=speak, args=(number,), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()
    wall_s, cpu_s = (monotonic_ns() - began_ns) / NS_PER_S, time.process_time() - cpu_s
    for number in range(len(ordered)):
        one = ended.pop(number, None) or _Ended([], "the caller's thread died")
        give(number, one.result())
    return Load(began_ns, wall_s, cpu_s, count.most)
