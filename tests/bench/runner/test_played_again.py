"""A trial in which the ruler was late is played again; agents and caller are doubles."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from bench.fixtures.library import fixtures_root, load
from bench.runner import session
from bench.runner.plan import Plan
from bench.runner.trial import Outcome
from bench.simulated.turns import TurnPlan, trial_of
from bench.store import store
from bench.store.records import Status, Trial
from bench.timeline.lateness import with_lateness
from pipelines.spec import load_spec


class Agents:
    """One agent, which is always well."""

    def get(self, spec: object) -> Any:
        return SimpleNamespace(cold_start=[])


def answered(order: Trial, *_: object) -> Outcome:
    """A turn that is answered, in no time."""
    trial, marks, pcm = trial_of([TurnPlan()])
    known = {"t0_ns": trial.t0_ns, "rate_hz": trial.rate_hz, "audio_s": trial.audio_s}
    return Outcome(replace(order, **known), marks, pcm, trial.rate_hz)  # type: ignore[arg-type]


def test_a_trial_whose_ruler_was_late_stays_and_another_is_played(tmp_path, monkeypatch):
    fixture = load(fixtures_root() / "greet_hello.toml")
    plan = Plan((load_spec("cascade-scripted"),), (fixture,), 1)
    told: list[str] = []

    def late_at_first(trial, marks, recording):
        status: Status = "ruler_late" if trial.repeat == 0 else "ok"
        return replace(with_lateness(trial, marks, recording), status=status)

    monkeypatch.setattr(session, "play", answered)
    monkeypatch.setattr(session, "with_lateness", late_at_first)

    def watch(progress):
        told.append(progress.text)

    caller, agents = SimpleNamespace(), Agents()
    playing = session.Session(plan, tmp_path, caller, agents, watch, retries=2)  # type: ignore[arg-type]
    playing.play_all(plan.trials)
    assert store.statuses(tmp_path) == {
        "cascade-scripted.greet_hello.0": "ruler_late",
        "cascade-scripted.greet_hello.1": "ok",
    }
    assert "cascade-scripted · greet_hello · again, the ruler was late" in told
