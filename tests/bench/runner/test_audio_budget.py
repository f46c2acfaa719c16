"""A run stops before its agents cost more audio than it may exchange, and goes on from there."""

from dataclasses import replace
from typing import Any

import pytest

from bench.fixtures.library import fixtures_root, load
from bench.runner.audio_budget import AudioSpentError, exchanged_s
from bench.runner.plan import ANSWER_S, OVERHEAD_S, Plan, audio_of
from bench.runner.run import execute
from bench.runner.trial import Outcome
from bench.simulated.turns import TurnPlan, trial_of
from bench.store import store
from bench.store.records import Trial
from pipelines.marks import stamp
from pipelines.spec import load_spec
from tests.bench.chains.virtual_run import without_processes


def answered(order: Trial, *_: object) -> Outcome:
    """A turn that is answered, in no time."""
    trial, marks, pcm = trial_of([TurnPlan()])
    known: dict[str, Any] = {
        name: getattr(trial, name) for name in ("t0_ns", "rate_hz", "audio_s", "chunks_sent")
    }
    return Outcome(replace(order, **known), marks, pcm, trial.rate_hz)


FIXTURE = load(fixtures_root() / "greet_hello.toml")


def test_both_ways_count():
    trial, _, _ = trial_of([TurnPlan()])
    received = [stamp("ear", "received", value=trial.rate_hz * 3)]
    assert exchanged_s(replace(trial, chunks_sent=500, chunk_ms=20), received) == 13.0


def test_a_trial_is_planned_with_the_users_silence_and_an_answer_to_each_turn():
    plan = Plan((load_spec("cascade-scripted"),), (FIXTURE,), 1)
    (trial,) = plan.trials
    assert audio_of(trial) == plan.seconds([trial]) - OVERHEAD_S + ANSWER_S * len(FIXTURE.turns)
    assert plan.exchanged_s == 2 * audio_of(trial)  # and its warm-up, of the same turn


def test_a_run_stops_before_the_trial_that_would_exceed_its_audio_and_can_be_resumed(
    tmp_path, monkeypatch
):
    plan = Plan((load_spec("cascade-scripted"),), (FIXTURE,), 3)
    without_processes(monkeypatch, answered)
    played, marks, _ = trial_of([TurnPlan()])
    one_s, needs_s = exchanged_s(played, marks), audio_of(plan.trials[0])
    two = (2 * one_s + needs_s - 0.1) / 60  # enough for the warm-up and one trial
    with pytest.raises(AudioSpentError) as spent:
        execute(plan, tmp_path / "r", resume=False, watch=lambda _: None, max_audio_min=two)
    said = str(spent.value)
    assert said.startswith("Stopped before cascade-scripted.greet_hello.1: it needs about")
    assert "1 of 3 trials are done and kept. To resume: duplex-lab run --resume" in said
    assert spent.value.exit_code == 3
    assert store.read_metrics(tmp_path / "r")  # what was played has its figures
    with pytest.raises(AudioSpentError):  # what is on disk counts
        execute(plan, tmp_path / "r", resume=True, watch=lambda _: None, max_audio_min=two)
    assert execute(plan, tmp_path / "r", resume=True, watch=lambda _: None, max_audio_min=60) == 0
