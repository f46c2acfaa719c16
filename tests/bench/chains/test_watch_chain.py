"""Fast loop talks, slow loop plans: the whole chain with the watcher on, and the same without."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.agent.process import AgentProcess
from bench.fixtures.library import fixtures_root, load
from bench.runner.trial import caller_plan, play
from bench.store.records import Trial
from pipelines.clock import NS_PER_MS
from pipelines.spec import load_spec, parse_spec

pytestmark = pytest.mark.unhurried

PAIRS = 1
LEAN = "[processor]\nvad_tap = false\nunpaced_frames = 0\n\n[script]"  # the rest is off
ON = parse_spec("watched", load_spec("duplex-scripted-watch").toml.replace("[script]", LEAN))
OFF = parse_spec("unwatched", ON.toml.partition("\n[watch]\n")[0])


@pytest.fixture(scope="module")
def marks(caller):
    """Marks of conversations without and with the watcher, turn by turn on one machine."""
    fixture = load(fixtures_root() / "cmd_stop.toml")
    agents = {spec.name: AgentProcess(spec) for spec in (OFF, ON)}
    found: dict[str, list] = {name: [] for name in agents}
    try:
        for agent in agents.values():
            agent.ask("prepare")
            assert agent.wait(60).error is None
        for repeat in range(PAIRS):
            for spec in (OFF, ON):
                trial_id = f"{spec.name}.{repeat}"
                row = Trial("r", trial_id, spec.name, fixture.name, 0, 0, repeat, 1,
                            weights="scripted", kind="duplex")  # fmt: skip
                plan = caller_plan(trial_id, spec, fixture)
                outcome = play(row, spec, plan, caller, agents[spec.name])
                assert outcome.trial.status in ("ok", "ruler_late"), outcome.trial.error
                found[spec.name].append(outcome.marks)
    finally:
        for agent in agents.values():
            agent.stop()
    return found


def of(marks, stage, event):
    return [m for m in marks if (m.stage, m.event) == (stage, event)]


def intervals_ms(trials):
    """Between frames as they are emitted, all conversations together."""
    emitted = [[m.t_ns for m in of(marks, "duplex", "frame_out")] for marks in trials]
    return np.concatenate([np.diff(times) for times in emitted]) / NS_PER_MS


def test_the_preset_differs_from_the_other_in_its_table_watch_alone():
    assert ON.stages["watch"].intents == "classifier" and OFF.stages["watch"].intents == "off"
    assert {k: v for k, v in ON.stages.items() if k != "watch"} == {
        k: v for k, v in OFF.stages.items() if k != "watch"
    }


def test_frames_come_as_often_with_the_watcher_and_a_slow_reasoner_as_without(marks):
    off, on = intervals_ms(marks[OFF.name]), intervals_ms(marks[ON.name])
    assert min(len(off), len(on)) > 50 * PAIRS
    # A gate that waited for the reasoner would make one gap of 2 s, and the mean a fourth longer.
    # Finer than this a busy machine does not tell; that the tap adds nothing to a frame's time is
    # shown exactly, on a fake clock, in tests/pipelines/watch.
    assert np.mean(on) / np.mean(off) == pytest.approx(1.0, abs=0.15)
    assert on.max() < 1000 * ON.stages["watch"].plan_s


def test_no_frame_is_lost_or_moved_by_it(marks):
    for trials in marks.values():
        for of_one in trials:
            out = [int(m.value) for m in of(of_one, "duplex", "frame_out")]
            assert out == list(range(len(out)))
            written = [int(m.value) for m in of(of_one, "link", "write")]
            assert written == [1920 * i for i in range(len(written))]


def test_what_it_says_is_called_and_thought_about_while_frames_go_on(marks):
    for of_one in marks[ON.name]:
        (call,) = of(of_one, "watch", "call")
        assert json.loads(call.text)["arguments"] == {"task": "bring", "object": "green cup"}
        (start,) = of(of_one, "watch", "plan_start")
        frames = [m.t_ns for m in of(of_one, "duplex", "frame_out")]
        ends = [m.t_ns for m in of(of_one, "watch", "plan_end")] or [frames[-1]]
        thinking = ends[0] - start.t_ns
        assert start.pid not in {m.pid for m in of(of_one, "duplex", "done")}
        while_thinking = sum(start.t_ns < t_ns <= ends[0] for t_ns in frames)
        assert while_thinking == pytest.approx(thinking / NS_PER_MS / 80, abs=3)
        assert while_thinking >= 10
    assert not [m for of_one in marks[OFF.name] for m in of_one if m.stage == "watch"]
