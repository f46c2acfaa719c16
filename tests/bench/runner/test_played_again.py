"""A trial in which the ruler was late is played again; agents and caller are doubles."""

from __future__ import annotations

from dataclasses import replace

from bench.fixtures.library import fixtures_root, load
from bench.runner.plan import Plan
from bench.runner.run import execute
from bench.runner.trial import Outcome
from bench.simulated.turns import TurnPlan, trial_of
from bench.store import store
from bench.store.records import Status, Trial
from bench.store.results import find_run
from bench.timeline.lateness import with_lateness
from pipelines.spec import load_spec
from tests.bench.chains.virtual_run import without_processes


def answered(order: Trial, *_: object) -> Outcome:
    """A turn that is answered, in no time."""
    trial, marks, pcm = trial_of([TurnPlan()])
    known = {"t0_ns": trial.t0_ns, "rate_hz": trial.rate_hz, "audio_s": trial.audio_s}
    return Outcome(replace(order, **known), marks, pcm, trial.rate_hz)  # type: ignore[arg-type]


def test_a_trial_whose_ruler_was_late_stays_and_another_is_played(tmp_path, monkeypatch):
    fixture = load(fixtures_root() / "greet_hello.toml")
    plan = Plan((load_spec("cascade-scripted"),), (fixture,), 1)
    folder, told = tmp_path / "results" / "again", []

    def late_at_first(trial, marks, recording):
        status: Status = "ruler_late" if trial.repeat == 0 and not trial.warmup else "ok"
        return replace(with_lateness(trial, marks, recording), status=status)

    without_processes(monkeypatch, answered)
    monkeypatch.setattr("bench.runner.session.with_lateness", late_at_first)

    def watch(progress):
        told.append(progress.text)

    assert execute(plan, folder, resume=False, watch=watch, retries=2) == 0
    assert find_run(tmp_path / "results" / "latest") == folder
    statuses = store.statuses(folder)
    del statuses["cascade-scripted.greet_hello.warmup0"]
    assert statuses == {
        "cascade-scripted.greet_hello.0": "ruler_late",
        "cascade-scripted.greet_hello.1": "ok",
    }
    assert "cascade-scripted · greet_hello · again, the ruler was late" in told
