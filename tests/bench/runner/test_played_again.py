"""A trial in which the ruler was late is played again; agents and caller are doubles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from bench.fixtures.library import fixtures_root, load
from bench.runner import run
from bench.runner.plan import Plan
from bench.runner.run import execute
from bench.runner.trial import Outcome
from bench.simulated.turns import TurnPlan, trial_of
from bench.store import store
from bench.store.records import Status, Trial
from bench.store.results import find_run
from bench.timeline.lateness import with_lateness
from pipelines.spec import load_spec


class Agents:
    """One agent, which is always well."""

    def start(self, specs: object) -> None:
        pass

    def prepare(self, spec: object) -> None:
        pass

    def get(self, spec: object) -> Any:
        return SimpleNamespace(cold_start=[])

    def stop(self) -> None:
        pass


class Clicker:
    """The click agent's process."""

    def __init__(self, spec: object) -> None:
        pass

    def ask(self, order: object) -> None:
        pass

    def wait(self, timeout_s: float) -> None:
        pass

    def stop(self, grace_s: float) -> None:
        pass


@contextmanager
def caller() -> Iterator[Any]:
    yield SimpleNamespace(stop=lambda: None, priority="normal")


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

    monkeypatch.setattr(run, "CallerProcess", caller)
    monkeypatch.setattr(run, "Agents", Agents)
    monkeypatch.setattr(run, "AgentProcess", Clicker)
    clicks = {"sent": 3, "heard": 3, "max_error_ms": 0.25, "timers_late_ms": None}
    monkeypatch.setattr(run, "_calibrate", lambda caller, clicker: clicks)
    monkeypatch.setattr("bench.runner.session.play", answered)
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
