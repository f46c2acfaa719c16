"""The end of a conversation: what is open is cancelled, and nothing of it is heard any more."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest

from pipelines.errors import ModelError
from pipelines.marks import MarkList
from pipelines.process.link import ModelRequest
from pipelines.process.pool import ModelPool
from pipelines.process.process import ModelProcess

ECHO = "pipelines.process.doubles:EchoEngine"


class Agent:
    """A pool with one model in it, and the list that takes all marks, as in the bench's agent."""

    def __init__(self, pool: ModelPool, marks: MarkList, model: ModelProcess) -> None:
        self.pool = pool
        self.marks = marks
        self.model = model

    async def next_trial(self) -> ModelProcess:
        """What the bench does between two trials; it is on time."""
        self.marks.drain()
        return await self.pool.get("double", ECHO)

    async def busy(self, op: str, **header: float) -> ModelRequest:
        """A request that is being served (one that waits its turn ends at once)."""
        request = self.model.open(op, header, marks=self.marks)
        await anext(request)
        return request

    async def answers(self) -> bool:
        return [h async for h, _ in self.model.request("echo")] == [{"greeting": ""}]


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    marks = MarkList()
    async with ModelPool(marks) as pool:
        yield Agent(pool, marks, await pool.get("double", ECHO))


async def test_a_pool_at_rest_settles_at_once_and_has_nothing_to_say(agent: Agent) -> None:
    began = time.monotonic()
    assert await agent.pool.settle() == []
    assert time.monotonic() - began < 0.5 and agent.model.running


async def test_an_open_request_is_cancelled_and_its_last_marks_come_before_the_trial_ends(
    agent: Agent,
) -> None:
    pid = agent.model.pid
    request = await agent.busy("linger", tail_s=0.3)
    assert await agent.pool.settle() == []
    assert request.ended and request.cancelled
    assert [m.text for m in agent.marks.marks if m.request_id == request.id] == ["late"]
    assert await agent.next_trial() is agent.model
    assert agent.model.pid == pid and await agent.answers()
    assert agent.marks.marks == []


async def test_a_model_that_hangs_is_blamed_on_its_own_trial_and_the_next_one_is_well(
    agent: Agent,
) -> None:
    pid = agent.model.pid
    request = await agent.busy("freeze")
    request.cancel()
    (sentence,) = await agent.pool.settle(2.0)
    # It is in the record too, with the time of its death.
    assert [m.text for m in agent.marks.marks if m.event == "error"] == [sentence]
    assert sentence.startswith("The model double did not stop within 1 s of a cancel")
    await agent.next_trial()
    assert agent.model.pid not in (None, pid) and await agent.answers()
    assert await agent.pool.settle() == []


async def test_who_does_not_come_to_rest_in_time_is_killed(agent: Agent) -> None:
    await agent.busy("freeze")
    (sentence,) = await agent.pool.settle(0.2)
    assert sentence.startswith("The model double did not come to rest within 0.2 s and was killed")
    assert not agent.model.running and agent.pool.pids == []


async def test_a_cancel_that_is_not_confirmed_kills_within_a_second_replies_or_not(
    agent: Agent,
) -> None:
    for op in ("freeze", "deaf"):
        await agent.next_trial()
        request = await agent.busy(op)
        request.cancel()
        began = time.monotonic()
        await asyncio.wait_for(request.wait_ended(), 5)
        assert 0.9 < time.monotonic() - began < 3.0
        (sentence,) = await agent.pool.settle()
        assert "did not stop within 1 s of a cancel" in sentence


async def test_a_request_that_reported_the_death_does_not_report_it_again(agent: Agent) -> None:
    with pytest.raises(ModelError, match="crashed"):
        async for _ in agent.model.request("crash"):
            pass
    assert await agent.pool.settle() == []
    assert [m for m in agent.marks.marks if m.event == "error"] == []


async def test_a_death_in_a_pause_of_the_trial_is_reported_but_not_on_the_next_trial(
    agent: Agent,
) -> None:
    for settles in (True, False):
        assert agent.model.pid is not None
        os.kill(agent.model.pid, signal.SIGKILL)
        await asyncio.sleep(0.3)
        if settles:
            (sentence,) = await agent.pool.settle()
            assert sentence.startswith("The model double crashed (killed by SIGKILL)")
        await agent.next_trial()
        assert await agent.pool.settle() == []


async def test_a_cancelled_request_that_waits_its_turn_ends_at_once(agent: Agent) -> None:
    first = agent.model.open("count", {"n": 20, "interval_s": 0.1})
    waiting = agent.model.open("echo")
    waiting.cancel()
    # Were its turn waited for, it would look like a hang, and the first would die with it.
    await asyncio.wait_for(waiting.wait_ended(), 0.8)
    assert [h["index"] async for h, _ in first] == list(range(20))
    assert await agent.answers()


async def test_no_mark_of_a_killed_process_arrives_after_the_trial(agent: Agent) -> None:
    await agent.busy("deaf")
    await agent.pool.settle(0.1)
    agent.marks.drain()
    await asyncio.sleep(0.3)
    assert agent.marks.marks == []


async def test_another_time_limit_is_another_process() -> None:
    async with ModelPool(MarkList()) as pool:
        one = await pool.get("double", ECHO, request_timeout_s=1.0)
        assert await pool.get("double", ECHO, request_timeout_s=2.0) is not one
        assert await pool.get("double", ECHO, request_timeout_s=1.0) is one
