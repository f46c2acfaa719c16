"""A recogniser listens to a finished run: its transcripts are marks, and metric 18 follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.recorded.listener import MARGIN_MS, listen
from bench.simulated.turn_taking import TurnTakingPlan, turn_taking_labels_of, turn_taking_trial_of
from bench.store.expectation import Expectation
from bench.store.labels import FixtureLabels
from bench.store.store import (
    read_info,
    read_metrics,
    read_run,
    save_recording,
    write_info,
    write_trial,
)
from pipelines.marks import stamp

RATE = 16_000
GOES_ON = TurnTakingPlan(event="backchannel", ending="itself", reply=(2500.0, 7000.0), then=None)


class Echo:
    """A recogniser that says what it was told to, and notes what it was given."""

    def __init__(self, *says: str) -> None:
        self.says = list(says)
        self.given_ms: list[float] = []

    def __call__(self, pcm: np.ndarray, rate_hz: int) -> str:
        self.given_ms.append(1000 * len(pcm) / rate_hz)
        return self.says.pop(0)


def write(run_dir, plan: TurnTakingPlan, *meant: str) -> None:
    """A run of one trial; the agent means to say these texts, one a turn."""
    trial, marks, pcm = turn_taking_trial_of(plan)
    on = {m.turn: m.t_ns for m in marks if m.event == "speech_off"}
    marks += [
        stamp("agent", "answer_text", t_ns=on[i] + 1, turn=i, text=text)
        for i, text in enumerate(meant)
    ]
    path = save_recording(run_dir, trial.trial_id, pcm, RATE)
    write_trial(run_dir, replace(trial, recording=path), marks)
    labels = turn_taking_labels_of(trial.fixture, plan)
    wants = Expectation(slots={"object": ("block", "cube")})
    turns = tuple(replace(t, expect=wants) if t.expect.respond else t for t in labels.turns)
    stored = FixtureLabels(trial.fixture, turns).to_dict()
    write_info(run_dir, {"run_id": "example", "fixtures": {trial.fixture: stored}})


def figures(rows) -> dict:
    return {(row.turn, row.metric): (row.value, row.reason) for row in rows}


def test_what_is_heard_is_held_against_what_was_meant_and_wanted(tmp_path):
    write(tmp_path, GOES_ON, "I take the red block")
    found = figures(listen(tmp_path, Echo("i take the red brick"), {"engine": "echo"})[1])
    assert found[0, "agent_words"][0] == 5
    assert found[0, "agent_word_errors"][0] == 1
    assert found[0, "agent_wer"][0] == pytest.approx(20)
    assert found[0, "task_success"][0] == 100
    assert found[0, "heard_success"] == (0.0, "lacks object")
    assert read_info(tmp_path)["listened"] == {"engine": "echo"}


def test_the_answer_is_heard_to_its_end_over_a_backchannel_with_a_margin(tmp_path):
    write(tmp_path, GOES_ON)
    echo = Echo("block")
    listen(tmp_path, echo, {})
    assert echo.given_ms == [pytest.approx(4500 + 2 * MARGIN_MS, abs=1)]


def test_an_answer_that_was_broken_into_has_no_word_error_rate_and_the_next_one_has(tmp_path):
    write(tmp_path, TurnTakingPlan(ending="yielded"), "a long story of a block", "the block")
    found = figures(listen(tmp_path, Echo("a long story", "the block"), {})[1])
    assert found[0, "agent_wer"] == (None, "the user broke into the answer")
    assert found[1, "agent_wer"][0] == 0
    assert found[1, "heard_success"][0] == 100


def test_an_answer_that_never_came_is_listened_to_as_well_and_is_wrong(tmp_path):
    plan = TurnTakingPlan(ending="yielded", then=None)
    write(tmp_path, plan, "a long story")
    found = figures(listen(tmp_path, Echo("a long story"), {})[1])
    why = "no answer: the agent spoke only before the user had ended"
    assert found[1, "heard_success"] == (0.0, why)
    assert found[1, "agent_wer"] == (None, why)


def test_who_listens_again_replaces_what_was_marked(tmp_path):
    write(tmp_path, GOES_ON, "the block")
    listen(tmp_path, Echo("the block"), {})
    again = figures(listen(tmp_path, Echo("nothing"), {})[1])
    assert again[0, "heard_success"][0] == 0
    (trial,) = read_run(tmp_path).trials
    marks = read_run(tmp_path).marks(trial.trial_id)
    assert [m.text for m in marks if m.event == "transcript"] == ["nothing"]
    assert figures(read_metrics(tmp_path)) == again


def test_where_nobody_has_listened_the_figures_are_null_and_say_so(tmp_path):
    from bench.metrics.recompute import analyse

    write(tmp_path, GOES_ON, "the block")
    found = figures(analyse(tmp_path)[1])
    for metric in ("heard_success", "agent_wer", "agent_words", "agent_word_errors"):
        assert found[0, metric] == (None, "no recogniser has listened to it: duplex-lab listen RUN")


def test_an_answer_after_a_filler_is_listened_to_without_it(tmp_path):
    """The agent sounds from 2500 to 7000 ms; the answer's audio is heard from 4000 ms on."""
    trial, marks, pcm = turn_taking_trial_of(GOES_ON)

    def at(ms, stage, event, rid="", **more):
        marks.append(stamp(stage, event, t_ns=trial.t0_ns + ms * 1_000_000, request_id=rid, **more))

    marks = [m for m in marks if m.stage not in ("tts", "llm", "link", "duplex")]
    marks = [m for m in marks if m.event not in ("received", "heard")]
    off_ms = next(m.t_ns - trial.t0_ns for m in marks if m.event == "speech_off") // 1_000_000
    at(off_ms + 10, "tts", "request", "1", text="let me check")
    at(2490, "tts", "first_byte", "1")
    at(off_ms + 5, "llm", "request", "a")
    at(3980, "llm", "end", "a", text="the red block")
    at(3985, "tts", "request", "a/2")
    at(3990, "tts", "first_byte", "a/2")
    for k, ms in enumerate((2500, 4000)):
        at(ms - 5, "link", "write", f"g0:{k}", value=k * 24_000)
        at(ms - 4, "ear", "received", f"g0:{k}", value=24_000)
        at(ms, "ear", "heard", f"g0:{k}", value=24_000)
    path = save_recording(tmp_path, trial.trial_id, pcm, RATE)
    write_trial(tmp_path, replace(trial, recording=path), marks)
    stored = turn_taking_labels_of(trial.fixture, GOES_ON).to_dict()
    write_info(tmp_path, {"run_id": "example", "fixtures": {trial.fixture: stored}})
    echo = Echo("the red block")
    found = figures(listen(tmp_path, echo, {})[1])
    assert echo.given_ms == [pytest.approx(3000 + 2 * MARGIN_MS, abs=1)]
    assert (found[0, "agent_words"][0], found[0, "agent_wer"][0]) == (3.0, 0.0)
