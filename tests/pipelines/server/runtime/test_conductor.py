"""Agents of one conversation: exchanged, filled, greeted, and told what skills gave."""

import asyncio

import pytest

from pipelines.errors import LabError
from pipelines.server.runtime.conduct import Conduct
from pipelines.server.runtime.policy import ACTIONS, STATES, TABLE, WHATS, Policy, policy_of_lines
from pipelines.server.runtime.words import Words, tokens
from pipelines.server.session.events import (
    AssistantPartial,
    AudioOut,
    Audit,
    Closed,
    Command,
    Context,
    Control,
    Failure,
    Fallback,
    Interruption,
    LatencyMark,
    Say,
    ToolCall,
    ToolCancelled,
    ToolOutput,
    ToolResult,
    Usage,
    UserText,
)
from pipelines.server.skills.caller import LATE, SkillCaller
from pipelines.server.skills.registry import Registry
from pipelines.server.skills.skill import Skill
from tests.pipelines.server.runtime.conducted import Agent, conducted, of
from tests.virtual_loop import clock, in_virtual_time

FRAME = bytes(2 * 1_920)
SORRY = Conduct().sentence


def asker(seconds, result="on the shelf", **more):
    """A caller with one skill, which takes this long."""

    async def run(arguments):
        await asyncio.sleep(seconds)
        return result

    schema = {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]}
    return SkillCaller(Registry([Skill("look_up", "Looks it up.", schema, run, **more)]), clock)


# the table


def test_every_happening_has_a_row_and_every_cell_an_action():
    assert [row.what for row in TABLE] == list(WHATS)
    for row in TABLE:
        assert row.meaning and {row.action(state) for state in STATES} <= set(ACTIONS)
    assert Policy().decide("model_died", "waiting") == "fall_back"
    assert Policy().decide("model_late", "agent_speaks") == "continue"
    assert [row["what"] for row in Policy().table()] == list(WHATS)


def test_a_server_s_own_rules_stand_in_place_of_cells():
    policy = policy_of_lines(["model_late=ignore", "skill_came.user_speaks = continue"])
    assert [policy.decide("model_late", state) for state in STATES] == ["ignore"] * 4
    assert policy.decide("skill_came", "user_speaks") == "continue"
    assert policy.decide("skill_came", "quiet") == "inject"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("model_lat=ignore", r"'model_lat' is none of its words \(did you mean 'model_late'\?\)"),
        ("model_late=panic", r"'panic' is none of its words: ignore, continue, inject, fall_back"),
        ("model_late.quit=ignore", r"'quit' is none of its words \(did you mean 'quiet'\?\)"),
        ("model_late", "write WHAT=ACTION"),
    ],
)
def test_a_word_that_the_table_lacks_is_refused(rule, said):
    with pytest.raises(ValueError, match=said):
        policy_of_lines([rule])


# the chain


def test_a_model_that_dies_is_replaced_and_the_question_is_put_to_the_next():
    first, second = Agent("one"), Agent("two", rate_hz=16_000)
    fell: list[str] = []

    async def play():
        talk, conductor = conducted(first, second, fell_back=fell.append)
        async with talk:
            talk.push(FRAME)
            first.user_turn("where is the cup?")
            first.dies()
            talk.push(FRAME)  # while agents are exchanged: held, not lost
            await asyncio.sleep(0)
            assert len(first.heard) == 1
            await asyncio.sleep(1)
            second.says(samples=1_280)
            await asyncio.sleep(1)
            talk.push(FRAME)
        conductor.release()
        events = talk.take_events()
        (change,) = of(events, Fallback)
        assert (change.old, change.new, change.why) == ("one", "two", "model_died")
        assert change.message == "The model of one crashed: two goes on"
        assert second.given == [Say(SORRY, is_filler=True), UserText("where is the cup?")]
        # 24 kHz for the session, 16 for the agent: 80 ms each way.
        assert [len(chunk.pcm) for chunk in second.heard] == [2 * 1_280] * 2
        (audio,) = of(events, AudioOut)
        assert (audio.rate_hz, audio.samples, audio.sequence) == (24_000, 1_920, 0)
        assert of(events, Failure) == [] and of(events, Closed)[0].reason == ""
        assert (first.stopped, first.released) == (1, 1)
        assert (second.stopped, second.released) == (1, 1)

    in_virtual_time(play())
    assert fell == ["model_died"]


def test_what_was_said_so_far_is_told_to_the_next_as_far_as_its_tokens_reach():
    first, second = Agent("one"), Agent("two")

    async def play():
        talk, _ = conducted(first, second, conduct=Conduct(context_tokens=12, sentence=""))
        async with talk:
            first.user_turn("a long story about a cup and a shelf")
            first.emit(AssistantPartial(clock(), "I see the cup."))
            first.says()
            first.dies()
            await asyncio.sleep(1)

    in_virtual_time(play())
    # The user's line alone has more than 12 tokens: the newest that fit are told.
    assert second.given == [
        Context("conversation", "The conversation so far:\nYou: I see the cup.")
    ]


def test_the_chain_goes_past_those_that_can_t_be_started_and_ends_in_one_sentence():
    dead = Agent("two", fails="There is no such file")

    async def play(*rest):
        first = Agent("one")
        talk, _ = conducted(first, *rest)
        async with talk:
            first.dies()
            await asyncio.sleep(1)
        return first, talk.take_events()

    third = Agent("three")
    full = Agent("full").link(refuses="full is in as many conversations as it can have")
    _, events = in_virtual_time(play(full, dead, third))
    assert of(events, Fallback)[0].new == "three" and third.started == 1
    assert (dead.stopped, dead.released) == (1, 1)
    first, events = in_virtual_time(play(full, Agent("two", fails="There is no such file")))
    assert of(events, Fallback) == []
    assert of(events, Closed)[0].reason == (
        "The model of one crashed; full is in as many conversations as it can have; "
        "There is no such file"
    )
    assert first.stopped == 1


def test_a_conversation_that_ends_while_agents_are_exchanged_gives_every_seat_back_once():
    first, broken = Agent("one"), Agent("two", fails="There is no such file")
    slow = Agent("three", takes_s=5.0)

    async def play():
        talk, conductor = conducted(first, broken, slow)
        async with talk:
            first.dies()
            await asyncio.sleep(1)
            assert slow.started == 1
        conductor.release()
        for agent in (first, broken, slow):
            assert (agent.stopped, agent.released) == (1, 1), agent.name

    in_virtual_time(play())


def test_without_a_chain_a_death_ends_the_conversation_as_ever():
    first = Agent("one")

    async def play():
        talk, _ = conducted(first)
        async with talk:
            first.dies()
            await asyncio.sleep(1)
        assert of(talk.take_events(), Closed)[0].reason == "The model of one crashed"

    in_virtual_time(play())


def test_an_agent_that_can_t_begin_leaves_the_conversation_to_the_next():
    async def play():
        second = Agent("two")
        talk, _ = conducted(Agent("one", fails="There is no such file"), second)
        async with talk:
            assert talk.state == "listening" and second.started == 1
        with pytest.raises(LabError, match="no such file"):
            async with conducted(Agent("one", fails="There is no such file"))[0]:
                pass

    in_virtual_time(play())


def test_an_answer_that_is_late_is_given_by_the_next():
    first, second = Agent("one"), Agent("two")

    async def play():
        talk, _ = conducted(first, second, conduct=Conduct(late_s=4.0))
        async with talk:
            await asyncio.sleep(60)  # nobody asked: nothing is owed
            first.user_turn("where is the cup?")
            await asyncio.sleep(3.9)
            first.says(is_filler=True)  # fills the wait, and does not end it
            assert second.started == 0
            await asyncio.sleep(0.2)
            assert second.started == 1
            second.says()
            await asyncio.sleep(60)
        (change,) = of(talk.take_events(), Fallback)
        assert change.why == "model_late"
        assert change.message == "one gave no sound within 4 s: two goes on"

    in_virtual_time(play())


def test_a_duplex_model_owes_a_sound_for_all_that_it_hears():
    first = Agent("one", inputs=("audio", "say"), full_duplex=True)
    second = Agent("two")

    async def play():
        talk, _ = conducted(first, second, conduct=Conduct(late_s=1.0))
        async with talk:
            for _ in range(20):
                talk.push(FRAME)
                first.says(level=0)  # its silence is a sound
                await asyncio.sleep(0.08)
            talk.push(FRAME)
            await asyncio.sleep(0.9)
            assert second.started == 0
            await asyncio.sleep(0.2)
            assert second.started == 1
        (change,) = of(talk.take_events(), Fallback)
        assert change.why == "model_late"

    in_virtual_time(play())


def test_a_rule_may_keep_a_late_agent():
    first, second = Agent("one"), Agent("two")
    conduct = Conduct(policy_of_lines(["model_late=continue"]), late_s=1.0)

    async def play():
        talk, _ = conducted(first, second, conduct=conduct)
        async with talk:
            first.user_turn("well?")
            await asyncio.sleep(5)
        events = talk.take_events()
        (said,) = of(events, Failure)
        assert (said.message, said.fatal) == ("one gave no sound within 1 s", False)
        assert second.started == 0

    in_virtual_time(play())


def test_an_agent_leaves_when_its_tokens_are_spent_and_the_user_begins_to_speak():
    first, second = Agent("dear"), Agent("cheap")

    async def play():
        talk, _ = conducted(first.opened(budget_tokens=10), second)
        async with talk:
            first.user_turn("x" * 30)  # 8 tokens
            first.user(True)
            assert second.started == 0
            first.user(False)
            first.user_turn("x" * 30)
            first.says()
            await asyncio.sleep(1)
            assert second.started == 0  # it may finish
            first.user(True)
            await asyncio.sleep(0.1)
        (change,) = of(talk.take_events(), Fallback)
        assert (change.why, change.message) == (
            "budget_spent", "dear has used its 10 tokens (estimated): cheap goes on"
        )  # fmt: skip

    in_virtual_time(play())


def test_tokens_that_a_service_counts_take_the_place_of_the_estimate():
    first, second = Agent("dear"), Agent("cheap")

    async def play():
        talk, _ = conducted(first.opened(budget_tokens=100), second)
        async with talk:
            first.user_turn("x" * 3_000)  # 750 tokens, if nobody counted
            first.emit(Usage(clock(), 90, 10))
            first.user(True)
            await asyncio.sleep(0.1)
            assert second.started == 0
            first.user(False)
            first.emit(Usage(clock(), 1, 0))
            first.user(True)
            await asyncio.sleep(0.1)
        (change,) = of(talk.take_events(), Fallback)
        assert change.message == (
            "dear has used its 100 tokens (as its service counts): cheap goes on"
        )

    in_virtual_time(play())


def test_interruptions_go_on_being_counted_by_the_next_agent():
    first, second = Agent("one"), Agent("two")

    async def play():
        talk, _ = conducted(first, second)
        async with talk:
            first.emit(Interruption(clock(), 1))
            first.says(generation=1)
            first.dies()
            await asyncio.sleep(1)
            second.says(generation=0)
            second.emit(Interruption(clock(), 1))
            second.says(generation=1)
        events = talk.take_events()
        assert [event.generation for event in of(events, Interruption)] == [1, 2]
        assert [event.generation for event in of(events, AudioOut)] == [1, 1, 2]
        assert [event.sequence for event in of(events, AudioOut)] == [0, 1, 2]

    in_virtual_time(play())


# greeting


def test_a_greeting_is_said_once_and_not_again_by_the_next_agent():
    first, second = Agent("one"), Agent("two")

    async def play():
        talk, _ = conducted(first, second, conduct=Conduct(greeting="Hello!", sentence=""))
        async with talk:
            assert first.given == [Say("Hello!")]
            first.dies()
            await asyncio.sleep(1)
        assert second.given == []

    in_virtual_time(play())


# skills


def test_a_call_of_the_watcher_s_is_run_and_its_result_is_told_to_a_cascade():
    first = Agent("one")

    async def play():
        talk, _ = conducted(first, caller=asker(0.1))
        async with talk:
            first.emit(ToolCall(clock(), "c1", "look_up", {"what": "cup"}))
            await asyncio.sleep(1)
        events = talk.take_events()
        (call,) = of(events, ToolCall)
        assert call.answered_here
        (result,) = of(events, ToolResult)
        assert (result.result, result.is_late) == ("on the shelf", False)
        assert [audit.step for audit in of(events, Audit)] == ["asked", "done"]
        assert first.given == [Context("look_up", "look_up: on the shelf"), Command("respond")]

    in_virtual_time(play())


def test_a_slow_skill_is_filled_answered_late_and_told_when_it_comes():
    first = Agent("one")

    async def play():
        talk, _ = conducted(first, caller=asker(2.0))
        async with talk:
            first.user(True)
            first.user(False)
            first.user_turn("where is the cup?")
            first.emit(ToolCall(clock(), "c1", "look_up", {"what": "cup"}))
            await asyncio.sleep(0.29)
            assert first.given == []
            await asyncio.sleep(0.02)
            assert first.given == [Say("Let me see.", is_filler=True)]
            first.says(is_filler=True)
            await asyncio.sleep(2.0)
            first.says()
        events = talk.take_events()
        assert first.given[1:] == [
            Context("look_up", "look_up: on the shelf"), Command("respond")
        ]  # fmt: skip
        assert [audit.step for audit in of(events, Audit)] == ["asked", "late", "came"]
        (result,) = of(events, ToolResult)
        assert result.is_late
        # The filler is no answer: the first audio is the one after it.
        marks = {mark.name: round(mark.ms) for mark in of(events, LatencyMark)}
        assert marks == {"first_filler": 310, "first_audio": 2_310}

    in_virtual_time(play())


def test_a_step_model_that_asked_gets_its_answer_within_the_budget():
    first = Agent("one", inputs=("audio", "tool_result"))

    async def play():
        talk, _ = conducted(first, caller=asker(2.0))
        async with talk:
            first.emit(ToolCall(clock(), "c1", "look_up", {"what": "cup"}))
            await asyncio.sleep(3)
            first.emit(ToolCall(clock(), "c2", "look_up", {}))
            await asyncio.sleep(3)
        assert first.given == [
            ToolOutput("c1", LATE),
            ToolOutput("c1", "on the shelf"),
            ToolOutput("c2", {"error": "look_up: 'what' is a required property"}),
        ]

    in_virtual_time(play())


def test_a_duplex_model_is_made_to_say_a_result_once_nobody_speaks_and_gets_no_filler():
    first = Agent("one", inputs=("audio", "say"), full_duplex=True)

    async def play():
        talk, _ = conducted(first, caller=asker(0.4))
        async with talk:
            first.user(True)
            first.emit(ToolCall(clock(), "c1", "look_up", {"what": "cup"}))
            await asyncio.sleep(2)
            assert first.given == []
            first.user(False)
            await asyncio.sleep(0.5)
            assert first.given == [Say("on the shelf")]

    in_virtual_time(play())


def test_a_call_that_its_speaker_withdraws_is_cancelled():
    first = Agent("one")

    async def play():
        talk, _ = conducted(first, caller=asker(0.4))
        async with talk:
            first.emit(ToolCall(clock(), "c1", "look_up", {"what": "cup"}))
            await asyncio.sleep(0.1)
            first.emit(ToolCancelled(clock(), "c1"))
            await asyncio.sleep(2)
        events = talk.take_events()
        assert [audit.step for audit in of(events, Audit)] == ["asked", "cancelled"]
        assert first.given == [] and of(events, ToolResult) == []

    in_virtual_time(play())


def test_a_function_that_is_no_skill_is_left_to_the_client():
    first = Agent("one")

    async def play():
        talk, _ = conducted(first, caller=asker(0.4))
        async with talk:
            first.emit(ToolCall(clock(), "c1", "theirs", {}))
            first.emit(ToolCall(clock(), "c2", "look_up", {"what": "x"}, answered_here=True))
            await asyncio.sleep(1)
        events = talk.take_events()
        assert [call.answered_here for call in of(events, ToolCall)] == [False, True]
        assert of(events, Audit) == []  # the second is the pipeline's own

    in_virtual_time(play())


def test_a_plan_of_the_slow_reasoner_is_told_where_nobody_speaks():
    first = Agent("one")

    async def play():
        talk, _ = conducted(first, caller=asker(0.4))
        async with talk:
            first.emit(ToolResult(clock(), "c1", "look_up", {"plan": "go there"}, is_late=True))
            await asyncio.sleep(1)
            assert first.given[0] == Context("look_up", "look_up: go there")
            first.user(True)
            first.emit(ToolResult(clock(), "c2", "look_up", {"plan": "too late"}, is_late=True))
            await asyncio.sleep(1)
        assert len(first.given) == 2

    in_virtual_time(play())


def test_states_of_a_session_are_the_same_whoever_conducts_it():
    first = Agent("one")

    async def play():
        talk, _ = conducted(first)
        async with talk:
            first.says()
            await asyncio.sleep(2)
        events = talk.take_events()
        states = [e.value for e in of(events, Control) if e.name == "state"]
        assert states == ["starting", "listening", "speaking", "listening", "draining", "closed"]

    in_virtual_time(play())


def test_tokens_are_estimated_by_four_characters():
    assert [tokens(text) for text in ("", "a", "four", "fives")] == [0, 1, 1, 2]
    words = Words()
    words.add("user", "hello ")
    words.add("user", "there")
    assert words.asked == "hello there" and words.used == 4
    words.add("agent", "Hi.")
    assert words.asked == "" and words.so_far(100) == "User: hello there\nYou: Hi."
    assert words.so_far(2) == "You: Hi." and words.so_far(1) == ""
    assert words.so_far(100, but_last=True) == "User: hello there"
