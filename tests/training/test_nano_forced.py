"""Gate 3's sentences: how a preset is made to say them, and how what is heard is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.fixtures.library import fixtures_root, load
from bench.simulated.turn_taking import TurnTakingPlan, turn_taking_trial_of
from bench.store.store import save_recording, write_info, write_trial
from pipelines.errors import LabError
from pipelines.spec import load_spec
from training.nano_duplex import forced
from training.nano_duplex.gates import WordCount


def test_all_that_is_heard_before_the_user_speaks_is_held_against_the_sentence(tmp_path):
    plan = TurnTakingPlan(asks=(9000.0, 9500.0), speaks=(9800.0, 9900.0), reply=(500.0, 3000.0))
    trial, marks, pcm = turn_taking_trial_of(replace(plan, then=None, total_ms=11_000.0))
    path = save_recording(tmp_path, trial.trial_id, pcm, trial.rate_hz)
    write_trial(tmp_path, replace(trial, recording=path), marks)
    stages = {"stages": {"model": {"greeting": "put the red block down"}}}
    write_info(tmp_path, {"run_id": "example", "presets": {"example": stages}})
    given: list[float] = []

    def recognise(heard: np.ndarray, rate_hz: int) -> str:
        given.append(len(heard) / rate_hz)
        return "put the red sock down"

    assert forced.counts([tmp_path], recognise) == [WordCount(1, 5)]
    assert given == [pytest.approx(9.0, abs=0.001)]


def test_each_sentence_is_a_preset_of_its_own_before_a_silent_user(tmp_path, monkeypatch):
    plans = []

    def execute(plan, run_dir, **_):
        plans.append((plan, run_dir.name))

    monkeypatch.setattr(forced, "execute", execute)
    fixture = load(fixtures_root() / "cmd_wave.toml")
    spec = load_spec("duplex-mute")
    sentences = [f"sentence {i}" for i in range(5)]
    forced.force(spec, sentences, fixture, tmp_path, lambda _: None)
    assert [name for _, name in plans] == ["forced-00", "forced-01"]
    specs = [spec for plan, _ in plans for spec in plan.specs]
    assert [s.stages["model"].greeting for s in specs] == sentences
    assert len({s.name for s in specs}) == len({s.toml for s in specs}) == 5
    (turn,) = plans[0][0].fixtures[0].turns
    assert (turn.cue.after, turn.cue.delay_ms) == ("start", 9000)


def test_what_can_not_be_forced_and_a_file_without_sentences_are_refused(tmp_path):
    fixture = load(fixtures_root() / "cmd_wave.toml")
    with pytest.raises(LabError, match="only a duplex model"):
        forced.force(load_spec("cascade-embedded"), ["a"], fixture, tmp_path, lambda _: None)
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(LabError, match="holds no sentence"):
        forced.read_sentences(tmp_path / "empty.txt", 10)
    (tmp_path / "some.txt").write_text("a\n# b\n\nc\nd\n")
    assert forced.read_sentences(tmp_path / "some.txt", 2) == ["a", "c"]
