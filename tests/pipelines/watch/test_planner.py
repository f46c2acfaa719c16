"""The slow reasoner: a language model of a preset that plans in a process of its own."""

import asyncio
import os

import pytest

from pipelines.cascade.llm_server_double import ChatServerDouble
from pipelines.errors import ModelError, SpecError
from pipelines.marks import MarkList
from pipelines.process.pool import ModelPool
from pipelines.spec import load_spec, parse_spec
from pipelines.watch.engine import NICE
from pipelines.watch.planner import SYSTEM, LocalThinker, ServerThinker
from pipelines.watch.reasoner import planner_process

TASK = {"task": "bring", "object": "red cup"}


async def plan(process, task):
    return [reply async for reply, _ in process.request("plan", task)]


async def test_a_preset_s_language_model_plans_behind_those_that_speak():
    marks = MarkList()
    async with ModelPool(marks) as models:
        process = await planner_process("cascade-embedded", 8, models)
        (reply,) = await plan(process, TASK)
        assert reply["plan"]
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(19, own + NICE)
        assert [m.event for m in marks.marks if m.stage == "watch"] == ["plan_start", "plan_end"]
        assert await planner_process("cascade-embedded", 8, models) is process


async def test_a_server_s_model_plans_and_a_server_that_is_gone_is_one_sentence(tmp_path):
    double = ChatServerDouble(["1. go ", "there"])
    async with double.serve() as url:
        preset = tmp_path / "planner.toml"
        toml = load_spec("cascade-embedded").toml.replace(
            'engine = "llama"\nmodel = "creature-3m"',
            f'engine = "ollama"\nmodel = "small"\nurl = "{url}"',
        )
        preset.write_text(toml)
        async with ModelPool(MarkList()) as models:
            process = await planner_process(str(preset), 50, models)
            assert await plan(process, TASK) == [{"plan": "1. go there"}]
            (body,) = double.asked
            assert body["messages"] == [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": '{"task": "bring", "object": "red cup"}'},
            ]
            assert (body["model"], body["max_tokens"], body["stream"]) == ("small", 50, True)
    async with ModelPool(MarkList()) as models:
        process = await planner_process(str(preset), 50, models)
        with pytest.raises(ModelError, match=r"the planner's server at .* failed"):
            await plan(process, TASK)


def test_a_plan_that_nobody_wants_any_more_stops_at_the_next_token():
    class Model:
        taken = 0

        def chat(self, messages, most_tokens, take):
            for token in ("a ", "b ", "c "):
                self.taken += 1
                if take(token):
                    return

    model = Model()
    assert LocalThinker(model).think([], 9, lambda: False) == "a b c "
    assert LocalThinker(model).think([], 9, lambda: True) == "a " and model.taken == 4


async def test_a_server_s_stream_is_broken_off_where_nobody_waits():
    double = ChatServerDouble(["a "] * 200, interval_s=0.02)
    async with double.serve() as url:
        thinker = ServerThinker(url=url, model="small")
        assert await asyncio.to_thread(thinker.think, [], 9, lambda: True) == ""


async def test_a_planner_must_have_a_language_model():
    async with ModelPool(MarkList()) as models:
        with pytest.raises(SpecError, match=r"planner = 'duplex-nano': that preset has no \[llm\]"):
            await planner_process("duplex-nano", 9, models)
    with pytest.raises(SpecError, match="leave it out beside 'planner'"):
        watched = '\n[watch]\nintents = "rules"\nplanner = "cascade-embedded"\nplan_s = 2\n'
        parse_spec("x", load_spec("duplex-nano").toml + watched)
