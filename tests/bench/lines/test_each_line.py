"""One call over every line that the caller dials, on real sockets, to that line's fake peer."""

from importlib import import_module

import numpy as np
import pytest

from bench.caller.call import call
from bench.caller.plan import CallerPlan, CallerTurn
from bench.lines import table
from bench.lines.line import LineChoice

DIALLED = [row for row in table.rows().values() if row.connects == "caller" and not row.refusal]


@pytest.mark.parametrize("row", DIALLED, ids=lambda row: row.name)
def test_an_answer_is_heard_at_the_agents_own_rate_with_the_time_of_the_handshake(row):
    fake = import_module(f"bench.lines.fakes.{row.name.replace('-', '_')}")
    rate_hz = fake.RATE_HZ
    sweep = np.sin(2 * np.pi * np.linspace(300, 600, rate_hz // 5) * 0.2)
    tone = (8000 * sweep).astype(np.int16)

    def play(agent):
        agent.wait_for_chunk(20)
        agent.speak(tone.tobytes())
        agent.wait_for_chunk(10**6)

    in_rate_hz = row.in_rate_hz({}) or 16_000
    pcm = np.zeros(in_rate_hz * 4 // 10, np.int16)
    pcm[in_rate_hz // 10 : in_rate_hz * 3 // 10] = 5000
    on, off = in_rate_hz // 10, in_rate_hz * 3 // 10
    turn = CallerTurn(pcm, on, off, "start", delay_ms=0.0, timeout_s=15.0, wait_s=0.5)
    with fake.serving(play) as url:
        line = LineChoice(row.name, url)
        plan = CallerPlan("t", in_rate_hz, (turn,), 30.0, line=line)
        result = call(plan, None, lambda word: None)
    assert (result.status, result.error, result.rate_hz) == ("ok", None, rate_hz)
    loud = np.flatnonzero(np.abs(result.agent) > 1000)
    assert abs((loud[-1] - loud[0]) / rate_hz - 0.2) < 0.01
    times = {m.event: m.t_ns for m in result.marks if m.stage == "line"}
    assert times["dialled"] <= times["connected"] <= times["agent_ready"] < result.t0_ns
