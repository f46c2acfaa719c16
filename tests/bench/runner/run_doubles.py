"""A run without processes: its agents and its caller are doubles, and a trial takes no time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bench.runner import run
from bench.runner.trial import Outcome
from bench.simulated.turns import TurnPlan, trial_of
from bench.store.records import Trial


class Agents:
    """One agent, which is always well."""

    def __init__(self, folder: object) -> None:
        pass

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
    known = {name: getattr(trial, name) for name in ("t0_ns", "rate_hz", "audio_s", "chunks_sent")}
    return Outcome(replace(order, **known), marks, pcm, trial.rate_hz)


def without_processes(patch: pytest.MonkeyPatch) -> None:
    """`bench.runner.run.execute` plays with the doubles from now on."""
    patch.setattr(run, "CallerProcess", caller)
    patch.setattr(run, "Agents", Agents)
    patch.setattr(run, "AgentProcess", Clicker)
    clicks = {"sent": 3, "heard": 3, "max_error_ms": 0.25, "timers_late_ms": None}
    patch.setattr(run, "_calibrate", lambda caller, clicker: clicks)
    patch.setattr("bench.runner.session.play", answered)
