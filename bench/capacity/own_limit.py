"""The load up to which the callers themselves are in time, found beside an agent that costs little.

What an agent bears beyond it can't be measured from this machine.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np

from bench.caller.mouth import CHUNK_MS
from bench.caller.plan import CallerPlan, CallerTurn
from bench.capacity.callers import Callers, Ordered
from bench.capacity.level import MOST_LATE
from bench.lines.line import LineChoice
from bench.timeline.lateness import P99_BOUND_MS, mouth_lateness
from pipelines.errors import LabError

RATE_HZ = 16_000
TALK_S, ANSWER_S = 4.0, 1.0
"""Lengths of the user's speech and of the agent's answer, s."""
FIRST = 8.0
TRIES = 2


def own_limit(callers: Callers, wanted: float, tell: Callable[[str], None]) -> float:
    """The largest load, up to the wanted one, at which at most one call in twenty is late.

    Args:
        callers: Their process.
        wanted: The largest load that anybody asks for.
        tell: Takes a sentence on each step.

    Raises:
        LabError: the callers are late at any load.
    """
    with cheap_agent() as url:
        _late(callers, url, 1)  # what is loaded by the first call only is no lateness of theirs
        load, good = min(FIRST, wanted), 0.0
        while True:
            for _ in range(TRIES):  # as a late trial is played again: the machine may have stalled
                late, calls = _late(callers, url, int(load))
                tell(f"callers alone, {load:g} calls: late in {late}")
                if late <= MOST_LATE * calls:
                    break
            else:
                break
            good = load
            if load >= wanted:
                return good
            load = min(2 * load, wanted)
    if not good:
        raise LabError("This machine's callers are late at any load: close what else runs on it.")
    return good


def _late(callers: Callers, url: str, calls: int) -> tuple[int, int]:
    """How many of so many calls at once were late, and their number."""
    pcm = np.zeros(int((TALK_S + 0.5) * RATE_HZ), np.int16)
    on, off = RATE_HZ // 4, int((TALK_S + 0.25) * RATE_HZ)
    pcm[on:off] = np.random.default_rng(0).integers(-9000, 9000, off - on)
    turn = CallerTurn(pcm, on, off, "start", delay_ms=0.0, timeout_s=5.0, wait_s=0.5)
    line = LineChoice("pcm-websocket", url, {})
    plan = CallerPlan("limit", RATE_HZ, (turn,), 15.0, line=line)
    # They begin as they would: not all at once.
    ordered = [Ordered(number * TALK_S / calls, plan) for number in range(calls)]
    late = 0
    for result in callers.play(ordered).results:
        p99 = mouth_lateness(result.marks, result.t0_ns, CHUNK_MS).quantile(0.99)
        late += result.status != "ok" or p99 is None or p99 > P99_BOUND_MS
    return late, calls


@contextlib.contextmanager
def cheap_agent(service_ms: float = 0.0, servers: int = 1_000) -> Iterator[str]:
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
