"""Many calls in one process, over sockets: both ways give the same calls."""

from typing import Any

import numpy as np
import pytest

from bench.caller.plan import CallerPlan, CallerTurn
from bench.capacity.callers import WAYS, Callers
from bench.capacity.calls import Ordered
from bench.capacity.own_limit import alone, cheap_agent
from bench.lines.line import LineChoice
from pipelines.errors import LabError

pytestmark = pytest.mark.realtime
RATE_HZ = 16_000
NOWHERE = "ws://127.0.0.1:9/talk"


def plan(url, name):
    pcm = np.zeros(RATE_HZ // 2, np.int16)  # 500 ms, of which 100–400 are audible
    pcm[1600:6400] = 5000
    turn = CallerTurn(pcm, 1600, 6400, "start", delay_ms=0.0, timeout_s=3.0, wait_s=0.2)
    return CallerPlan(name, RATE_HZ, (turn,), 10.0, line=LineChoice("pcm-websocket", url, {}))


@pytest.fixture(scope="module")
def agent():
    """An agent that answers 500 ms after the user with a tone of 1 s, to anybody at once."""
    with cheap_agent() as url:
        yield url


@pytest.mark.parametrize("way", WAYS)
def test_calls_that_overlap_are_each_heard_whole_and_one_that_fails_stops_none(way, agent):
    ordered = [Ordered(0.1 * n, plan(agent, f"c{n}")) for n in range(4)]
    ordered.insert(1, Ordered(0.0, plan(NOWHERE, "nowhere")))
    results: dict[int, Any] = {}
    with Callers(way) as callers:
        load = callers.play(ordered, results.__setitem__)
    assert sorted(results) == [0, 1, 2, 3, 4]
    assert (results[1].status, results[1].rate_hz) == ("error", 0)
    assert "no agent answers at ws://127.0.0.1:9/talk" in results[1].error
    assert 4 <= load.most_open <= 5
    begun = []
    for number in (0, 2, 3, 4):
        result = results[number]
        assert (result.status, result.error) == ("ok", None)
        loud = np.flatnonzero(np.abs(result.agent) > 1000) / result.rate_hz
        assert loud[-1] - loud[0] == pytest.approx(1.0, abs=0.1)
        heard_ms = 1000 * (loud[0] - 0.4)  # the last audible sample is at 400 ms
        assert 480 <= heard_ms <= 700
        begun.append(result.t0_ns)
        assert result.cpu_s >= 0 and result.wall_s > 1.5
    assert begun == sorted(begun)


def test_the_callers_say_how_late_they_were_themselves(agent):
    with Callers() as callers:
        found = alone(callers, agent, 2)
    assert found.calls == 2
    assert 0 < found.cpu_percent_a_call < 50
    assert found.mouth_p99_ms >= 0


def test_callers_that_died_are_reported_in_a_sentence(agent):
    with Callers() as callers:
        callers._process.kill()
        callers._process.join()
        with pytest.raises(LabError, match="The callers' process died"):
            callers.play([Ordered(0.0, plan(agent, "c"))], lambda number, result: None)
