"""The load up to which the callers themselves are in time, found beside an agent that costs little.

What an agent bears beyond it can't be measured from this machine.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.caller.mouth import CHUNK_MS
from bench.caller.plan import CallerPlan, CallerResult, CallerTurn
from bench.capacity.calls import Ordered
from bench.capacity.level import MOST_LATE, Speakers
from bench.capacity.search import search
from bench.capacity.slo import State
from bench.lines.line import LineChoice
from bench.timeline.lateness import P99_BOUND_MS, mouth_lateness
from pipelines.errors import LabError

RATE_HZ = 16_000
TALK_S = 4.0
"""Length of the user's speech, s."""
TRIES = 2
"""Times that a load is played: as a late trial is played again, the machine may have stalled."""


@dataclass(frozen=True, slots=True)
class Alone:
    """Calls at once beside an agent that costs little."""

    calls: int
    late: int
    """Calls in which the mouth was late by more than its bound, or that failed."""
    mouth_p99_ms: float
    """The 99th percentile of a call's mouth lateness, of the worst call but one in twenty."""
    cpu_percent_a_call: float
    """CPU of the callers' process, percent of one core for each open call."""


def own_limit(callers: Speakers, wanted: float, tell: Callable[[str], None]) -> float:
    """The largest load, up to the wanted one, at which at most one call in twenty is late.

    As many calls are open at once as a load has at its peaks: three standard deviations above its
    mean.

    Args:
        callers: Who calls.
        wanted: The largest load that anybody asks for.
        tell: Takes a sentence on each step.

    Raises:
        LabError: the callers are late at any load.
    """
    with cheap_agent() as url:
        alone(callers, url, 1)  # what is loaded by the first call only is no lateness of theirs

        def play(load: float, repeat: int) -> State:
            for _ in range(TRIES):
                found = alone(callers, url, math.ceil(load + 3 * math.sqrt(load)))
                tell(
                    f"callers alone, {found.calls} calls at once: late in {found.late}, mouth p99 "
                    f"{found.mouth_p99_ms:.1f} ms, {found.cpu_percent_a_call:.1f} % of a core a "
                    "call"
                )
                if found.late <= MOST_LATE * found.calls:
                    return "holds"
            return "broken"

        most = search(play, first=wanted, limit=wanted, repeats=1).most
    if most is None:
        raise LabError("This machine's callers are late at any load: close what else runs on it.")
    return most


def alone(callers: Speakers, url: str, calls: int) -> Alone:
    """So many calls at once.

    Args:
        callers: Who calls.
        url: Address of an agent that costs little, by the line pcm-websocket.
        calls: Their number.
    """
    pcm = np.zeros(int((TALK_S + 0.5) * RATE_HZ), np.int16)
    on, off = RATE_HZ // 4, int((TALK_S + 0.25) * RATE_HZ)
    pcm[on:off] = np.random.default_rng(0).integers(-9000, 9000, off - on)
    turn = CallerTurn(pcm, on, off, "start", delay_ms=0.0, timeout_s=5.0, wait_s=0.5)
    line = LineChoice("pcm-websocket", url, {})
    plan = CallerPlan("limit", RATE_HZ, (turn,), 15.0, line=line)
    p99s_ms: list[float] = []
    talked_s = [0.0] * calls

    def give(number: int, result: CallerResult) -> None:
        p99 = mouth_lateness(result.marks, result.t0_ns, CHUNK_MS).quantile(0.99)
        p99s_ms.append(p99 if p99 is not None and result.status == "ok" else math.inf)
        talked_s[number] = result.wall_s

    # They begin as they would: not all at once.
    load = callers.play([Ordered(n * TALK_S / calls, plan) for n in range(calls)], give)
    p99s_ms.sort()
    return Alone(
        calls,
        sum(p99 > P99_BOUND_MS for p99 in p99s_ms),
        p99s_ms[int(0.95 * (calls - 1))],
        100 * load.cpu_s / max(sum(talked_s), 1e-9),
    )


@contextlib.contextmanager
def cheap_agent(service_ms: float = 0.0, servers: int = 10_000) -> Iterator[str]:
    """Within, the agent of `bench.simulated.queue_agent` runs in a process of its own.

    Args:
        service_ms: Time that each answer takes of a server.
        servers: Number of answers that are made at once.

    Yields:
        Its address.
    """
    command = [sys.executable, "-m", "bench.simulated.queue_agent"]
    command += ["--service-ms", str(service_ms), "--servers", str(servers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise LabError("The agent that costs nothing did not start.")
            yield url
        finally:
            process.terminate()
            process.wait()
