"""The named cases: what they are, and a few of them played in virtual time with a fake server."""

import json
import socket
import sys
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bench.cases.case import FEATURES, Case, CaseError, Step, chosen, read_cases
from bench.cases.clerk import reply, serve_beside
from bench.cases.composed import fixture_of
from bench.cases.figures import COUNTED, costs, table, told
from bench.cases.plan import make_plan, planned_in, used
from bench.cases.variants import CLERK, VARIANTS, spec_of, variants_of, write_config
from bench.fixtures.labels import labels_of
from bench.metrics.compute import compute_trial
from bench.runner.trial import caller_plan, stereo_of
from bench.store import store
from bench.store.expectation import Expectation
from bench.store.records import Trial
from pipelines.errors import LabError
from pipelines.marks import stamp
from pipelines.server.config.config import read_config
from pipelines.server.memory.options import MemoryOptions
from pipelines.server.runtime.opening import registry_of
from pipelines.server.skills.options import SkillOptions
from pipelines.spec import parse_spec
from tests.bench.caller.lock_step import call_in_steps

CASES = read_cases()
RATE = 24_000
TONE = np.full(RATE // 2, 8_000, np.int16)  # 500 ms


def test_there_are_a_hundred_cases_half_of_them_spoken_a_third_for_each_feature():
    assert Counter(case.kind for case in CASES) == {"voice": 50, "chat": 50}
    assert Counter(case.feature for case in CASES) == {"tools": 34, "fillers": 33, "memory": 33}
    by_both = Counter((case.kind, case.feature) for case in CASES)
    assert min(by_both.values()) == 16
    assert len({repr(case.steps) for case in CASES}) == 100


def test_every_case_can_be_played_and_almost_every_one_says_what_is_right():
    fixtures = [fixture_of(case) for case in CASES]
    assert len({fixture.sha256 for fixture in fixtures}) == 100
    judged = [f for f in fixtures if any(t.expect.slots or not t.expect.respond for t in f.turns)]
    assert len(judged) >= 90
    for fixture in fixtures:
        assert fixture.turns[0].cue.after == "start"
        assert all(turn.text for turn in fixture.turns)


def test_a_conversation_is_composed_of_recordings_and_texts():
    asked = Expectation(slots={"name": ("lucy",)})
    case = Case("c", "memory", (Step("greet_hello"), Step(write="What's my name?", expect=asked)))
    fixture = fixture_of(case, fillers=("let me see",))
    spoken, written = fixture.turns
    assert (spoken.text, spoken.written, spoken.cue.delay_ms) == ("hello there", False, 500)
    assert (written.written, written.samples, written.u_off_sample) == (True, 1_600, 1_599)
    assert (written.cue.after, written.cue.unanswered) == ("agent_end", "go_on")
    assert written.expect is asked and case.kind == "voice"
    assert labels_of(fixture).turns[1].to_dict()["written"] is True
    assert "written" not in labels_of(fixture).turns[0].to_dict()
    other = fixture_of(replace(case, steps=(Step("greet_hello"), Step(write="What is it?"))))
    assert other.sha256 != fixture.sha256 and fixture.fillers == ("let me see",)


def test_cases_are_chosen_by_name_pattern_kind_or_feature():
    assert chosen(CASES, "") == CASES
    names = [case.name for case in chosen(CASES, "chat_tea_*,voice_spoon")]
    assert names == ["voice_spoon", "chat_tea_told", "chat_tea_asked"]
    assert len(chosen(CASES, "fillers")) == 33 and len(chosen(CASES, "chat")) == 50
    with pytest.raises(CaseError, match=r"--cases chat_te: there is no such case \(did you mean"):
        chosen(CASES, "chat_te")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "rows .*case.* are needed"),
        ("x = ", "can't be read"),
        ('[[case]]\nname = "a"\nfeature = "tools"', "name, feature and turns are needed"),
        ('[[case]]\nname = "a/b"\nfeature = "tools"\nturns = []', "'a/b' is no name"),
        ('[[case]]\nname = "a"\nfeature = "tool"\nturns = [1]', "did you mean 'tools'"),
        ('[[case]]\nname = "a"\nfeature = "tools"\nturns = []', "a list of turns is needed"),
        ('[[case]]\nname = "a"\nfeature = "tools"\nturns = [{}]', "a turn has say = "),
        ('[[case]]\nname="a"\nfeature="tools"\nturns=[{write="x", slot=1}]', "unknown key 'slot'"),
        (
            2 * '[[case]]\nname="a"\nfeature="tools"\nturns=[{write="x"}]\n',
            "two cases are called a",
        ),
    ],
)
def test_a_wrong_case_is_refused_in_a_sentence(tmp_path, text, said):
    path = tmp_path / "cases.toml"
    path.write_text(text)
    with pytest.raises(CaseError, match=said):
        read_cases(path)


@pytest.mark.parametrize("say", ["nope", "cmd_*"])
def test_a_recording_that_is_none_is_refused_in_a_sentence(say):
    with pytest.raises(CaseError, match="case c: "):
        fixture_of(Case("c", "tools", (Step(say),)))


def test_every_feature_is_a_variant_and_has_a_base_before_it():
    names = [variant.name for variant in VARIANTS]
    for feature in FEATURES:
        base, with_it = variants_of(feature)
        assert names.index(base.name) < names.index(with_it.name)
        assert with_it.feature == feature and with_it.base == base.name


def test_a_plan_plays_every_case_to_its_two_variants_one_after_the_other(tmp_path):
    cases = chosen(CASES, "chat_tea_*,voice_spoon")
    plan = make_plan(cases, "cascade-embedded", tmp_path)
    assert [variant.name for variant in used(cases)] == [spec.name for spec in plan.specs]
    played = [(trial.fixture.name, trial.spec.name) for trial in plan.trials]
    assert [name for name, _ in played] == [case.name for case in cases for _ in (0, 1)]
    for case in cases:
        wanted = {variant.name for variant in variants_of(case.feature)}
        assert {spec for name, spec in played if name == case.name} == wanted
    urls = {spec.stages["agent"].url for spec in plan.specs}
    assert len(urls) == len(plan.specs)
    store.write_info(tmp_path, {"plan": plan.identity()})
    assert planned_in(tmp_path, CASES).identity() == plan.identity()
    with pytest.raises(LabError, match="there is no run of cases to resume"):
        planned_in(tmp_path / "nowhere", CASES)


# A few cases with a fake server, which takes no real time


def answers(memories):
    """A server that answers every turn 100 ms after it, and may be reminded of something."""

    def play(agent):
        agent.wait_for_text(1)
        for memory in memories:
            agent.say({"type": "memory", "injected": [memory]})
        agent.say({"type": "tool_call", "call_id": "1", "name": "look_up", "arguments": {}})
        time.sleep(0.1)
        agent.say({"type": "transcript", "who": "agent", "text": " ".join(memories) or "who knows"})
        for part in np.split(TONE, 50):
            agent.speak(part.tobytes())
            time.sleep(0.01)
        agent.wait_for_chunk(10**6)

    return play


def test_a_few_cases_are_played_judged_and_compared_in_pairs(tmp_path):
    cases = chosen(CASES, "chat_tea_asked,chat_dog_asked")
    reminded = {"chat_tea_asked": "you like tea", "chat_dog_asked": "it is rex"}
    trials, rows = [], []
    for case in cases:
        fixture = fixture_of(case)
        for variant in variants_of("memory"):
            has_memory = variant.feature == "memory"
            spec = spec_of(variant, write_config(variant, "p", tmp_path, 1), 80, 1)
            plan = caller_plan("t", spec, fixture, silence_s=0.5)
            play = answers([reminded[case.name]] if has_memory else [])
            result, _ = call_in_steps(plan, play, "stream")
            trial = Trial(
                "run", f"{spec.name}.{case.name}.0", spec.name, case.name, 0, result.t0_ns,
                result.rate_hz, 1, kind="remote", status=result.status, audio_s=2.0,
                weights="trained", chunks_sent=result.chunks_sent,
            )  # fmt: skip
            dialled = stamp("line", "dialled", t_ns=result.t0_ns, text="stream")  # by the caller
            stereo = stereo_of(result, plan.in_rate_hz)
            trials.append(trial)
            rows += compute_trial(trial, [dialled, *result.marks], stereo, labels_of(fixture))
    plain, memory = told(CASES, trials, rows)
    assert (plain.feature, plain.variant, plain.kind) == ("memory", "plain", "chat")
    assert (plain.cases, plain.answered) == (2, 100.0)
    assert (plain.success, memory.success) == (0.0, 100.0)
    assert abs(plain.latency_ms - 100) < 1 and abs(memory.latency_ms - 100) < 1
    assert dict(zip(COUNTED, memory.counted, strict=True)) == {
        "interruptions": 0.0, "tool_calls": 2.0, "memories": 2.0, "fallbacks": 0.0,
    }  # fmt: skip
    (pair,) = costs("run", trials, rows)
    by_name = {one.compared.metric: one for one in pair.metrics}
    assert by_name["task_success"].shift.value == 1.0
    assert by_name["voice_to_voice"].verdict == "insufficient n (2, 20)"
    assert table([plain, memory]).rows[1][:6] == (
        "memory", "memory", "chat", "2", "100", "100",
    )  # fmt: skip


async def test_the_clerk_looks_up_what_was_asked_and_says_it_back():
    asked = {"role": "user", "content": [{"type": "text", "text": "where is the key"}]}
    (call,) = reply([{"role": "system", "content": "x"}, asked])["tool_calls"]
    assert (call["function"]["name"], call["type"]) == ("look_up", "function")
    assert json.loads(call["function"]["arguments"]) == {"what": "where is the key"}
    done = {"role": "tool", "content": "{}", "tool_call_id": call["id"]}
    assert reply([asked, done]) == {"content": "I have looked: where is the key."}
    assert parse_spec("clerk", CLERK.read_text()).stages["llm"].model == "clerk"


async def test_the_clerk_s_server_lives_as_long_as_the_command_beside_it():
    look = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read()); sys.exit(3)"
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1/models"
    assert await serve_beside(port, [sys.executable, "-c", look, url]) == 3
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()


def test_the_server_takes_the_configuration_of_every_variant(tmp_path):
    for variant in VARIANTS:
        config = read_config(write_config(variant, "cascade-embedded", tmp_path, 9), {})
        skills = config.of(SkillOptions)
        names = registry_of(skills).names
        assert ("look_up" in names) == variant.is_clerk
        assert skills.enabled == (variant.name in ("tools", "slow", "fillers"))
        assert bool(skills.enabled and skills.fillers) == (variant.feature == "fillers")
        assert bool(config.of(MemoryOptions).folder) == (variant.feature == "memory")
