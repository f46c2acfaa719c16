"""Skills: checked by their schemas, answered within 500 ms, and kept account of."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from pipelines.errors import LabError
from pipelines.server.skills.caller import LATE, Outcome, SkillCaller
from pipelines.server.skills.registry import Registry
from pipelines.server.skills.shipped import physical_task, shipped, the_time
from pipelines.server.skills.skill import BUDGET_MS, Skill, SkillError
from tests.virtual_loop import clock, in_virtual_time

ONE_TEXT = {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]}


def skill(run, name="look_up", **more):
    return Skill(name, "Looks something up.", ONE_TEXT, run, **more)


def sleeper(seconds, result="there"):
    async def run(arguments):
        await asyncio.sleep(seconds)
        return result

    return skill(run)


class Heard:
    """A caller whose events are kept."""

    def __init__(self, *skills):
        self.caller = SkillCaller(Registry(skills), clock)
        self.audits: list[Any] = []
        self.outcomes: list[Outcome] = []
        self.caller.listen(self.audits.append, lambda call_id: None, self.outcomes.append)

    def steps(self):
        return [(audit.step, round(audit.ms)) for audit in self.audits]


def test_a_quick_skill_is_answered_by_its_result():
    async def play():
        heard = Heard(sleeper(0.499))
        outcome = await heard.caller.run("c1", "look_up", {"what": "cup"})
        assert (outcome.status, outcome.output) == ("done", "there")
        assert heard.steps() == [("asked", 0), ("done", 499)]
        assert heard.caller.at_work == 0 and heard.outcomes == []

    in_virtual_time(play())


def test_a_slow_skill_is_answered_late_after_500_ms_and_its_result_comes_as_an_event():
    assert BUDGET_MS == 500

    async def play():
        heard = Heard(sleeper(3.0))
        outcome = await heard.caller.run("c1", "look_up", {"what": "cup"})
        assert (outcome.status, outcome.output, clock()) == ("late", LATE, 500_000_000)
        assert heard.outcomes == [] and heard.caller.at_work == 1
        await asyncio.sleep(2.6)
        assert [(one.status, one.output) for one in heard.outcomes] == [("done", "there")]
        assert heard.steps() == [("asked", 0), ("late", 500), ("came", 3000)]
        assert heard.caller.at_work == 0

    in_virtual_time(play())


def test_arguments_that_do_not_fit_are_refused_in_a_sentence_and_nothing_runs():
    async def never(arguments):
        raise AssertionError("it ran")

    async def play():
        heard = Heard(skill(never))
        for name, arguments, said in (
            ("look_up", {}, "look_up: 'what' is a required property"),
            ("look_up", {"what": 3}, "look_up.what: 3 is not of type 'string'"),
            ("look_upp", {}, "there is no skill 'look_upp' (did you mean 'look_up'?); known: look"),
        ):
            outcome = await heard.caller.run("c", name, arguments)
            assert outcome.status == "refused" and outcome.output["error"].startswith(said)
        assert [step for step, _ in heard.steps()] == ["asked", "refused"] * 3

    in_virtual_time(play())


def test_a_skill_that_fails_is_told_in_a_sentence():
    async def fails(arguments):
        raise SkillError("the shelf is empty")

    async def breaks(arguments):
        raise KeyError("cup")

    async def play():
        heard = Heard(skill(fails), skill(breaks, "broken"))
        outcome = await heard.caller.run("c1", "look_up", {"what": "cup"})
        assert (outcome.status, outcome.output) == ("failed", {"error": "the shelf is empty"})
        outcome = await heard.caller.run("c2", "broken", {"what": "cup"})
        assert outcome.output == {"error": "KeyError: 'cup'"}
        assert [a.note for a in heard.audits if a.step == "failed"] == [
            "the shelf is empty", "KeyError: 'cup'"
        ]  # fmt: skip

    in_virtual_time(play())


def test_a_call_that_is_cancelled_has_no_result():
    async def play():
        heard = Heard(sleeper(3.0))
        await heard.caller.run("c1", "look_up", {"what": "cup"})
        assert heard.caller.cancel("c1") and not heard.caller.cancel("c1")
        await asyncio.sleep(5)
        assert heard.outcomes == []
        assert heard.steps() == [("asked", 0), ("late", 500), ("cancelled", 500)]

    in_virtual_time(play())


def test_an_interruption_of_the_agent_does_not_end_the_work():
    async def play():
        heard = Heard(sleeper(0.4))
        call = asyncio.create_task(heard.caller.call("c1", "look_up", {"what": "cup"}))
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.sleep(1)
        assert heard.steps() == [("asked", 0), ("late", 100), ("came", 400)]
        assert [one.output for one in heard.outcomes] == ["there"]

    in_virtual_time(play())


def test_eight_calls_are_at_work_at_most_and_all_end_with_the_conversation():
    async def play():
        heard = Heard(sleeper(60.0))
        calls = [heard.caller.run(f"c{i}", "look_up", {"what": "cup"}) for i in range(9)]
        outcomes = await asyncio.gather(*calls)
        assert [one.status for one in outcomes] == ["late"] * 8 + ["refused"]
        assert "8 calls are at work" in outcomes[8].output["error"]
        again = await heard.caller.run("c0", "look_up", {"what": "cup"})
        assert "at work already" in again.output["error"]
        await heard.caller.aclose()
        assert heard.caller.at_work == 0
        assert sum(step == "cancelled" for step, _ in heard.steps()) == 8

    in_virtual_time(play())


def test_a_registry_refuses_what_is_no_schema():
    async def run(arguments):
        return None

    with pytest.raises(LabError, match="two are called 'look_up'"):
        Registry([skill(run), skill(run)])
    with pytest.raises(LabError, match="skill odd: its schema is none"):
        Registry([Skill("odd", "", {"type": 3}, run)])
    with pytest.raises(LabError, match="must be of type 'object'"):
        Registry([Skill("odd", "", {"type": "string"}, run)])


async def test_the_shipped_skills_take_a_task_and_tell_the_time():
    caller = SkillCaller(Registry(shipped()))
    task = {"task": "bring", "object": "red cup"}
    assert await caller.call("c1", "do_physical_task", task) == {"accepted": True, **task}
    refused = await caller.run("c2", "do_physical_task", {"task": "fly"})
    assert refused.status == "refused" and "task: 'fly' is not one of" in refused.output["error"]
    noon = the_time(lambda: datetime(2026, 12, 1, 12, 5))
    assert await noon.run({}) == {"time": "12:05", "say": "It is 12:05."}
    assert noon.said(await noon.run({})) == "It is 12:05." and noon.said(3) == ""


async def test_a_task_is_handed_to_whoever_moves_the_robot():
    taken = []

    async def take(arguments):
        taken.append(arguments)
        return "on its way"

    one = physical_task(take)
    assert one.said(await one.run({"task": "come"})) == "on its way"
    assert taken == [{"task": "come"}]
