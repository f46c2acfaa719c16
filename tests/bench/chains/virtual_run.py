"""A whole run in virtual time: planned, played, written, computed and told as any other; only its
processes are doubles, and each trial is played by `virtual_call`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bench.runner import run
from tests.bench.chains import virtual_call


class Agents:
    """Agents that are always well."""

    def __init__(self, folder: object) -> None:
        pass

    def start(self, specs: object) -> None:
        """See `bench.agent.pool.Agents`."""

    def prepare(self, spec: object) -> None:
        """See `bench.agent.pool.Agents`."""

    def get(self, spec: object) -> Any:
        """See `bench.agent.pool.Agents`."""
        return SimpleNamespace(cold_start=[])

    def stop(self) -> None:
        """See `bench.agent.pool.Agents`."""


class Clicker:
    """In place of the click agent's process."""

    def __init__(self, spec: object) -> None:
        pass

    def ask(self, order: object) -> None:
        """See `bench.agent.process.AgentProcess`."""

    def wait(self, timeout_s: float) -> None:
        """See `bench.agent.process.AgentProcess`."""

    def stop(self, grace_s: float) -> None:
        """See `bench.agent.process.AgentProcess`."""


@contextlib.contextmanager
def caller() -> Iterator[Any]:
    """In place of `bench.caller.process.CallerProcess`."""
    yield SimpleNamespace(stop=lambda: None, priority="normal")


def clicked(caller: object, clicker: object = None, clicks: int = 0) -> dict[str, Any]:
    """A calibration by a clock that is never late."""
    return {"sent": clicks, "heard": clicks, "max_error_ms": 0.25, "timers_late_ms": None}


def without_processes(patch: pytest.MonkeyPatch, play: Any = virtual_call.play) -> None:
    """What `bench.runner.run.execute` starts is a double; ``play`` plays each trial."""
    patch.setattr(run, "CallerProcess", caller)
    patch.setattr(run, "Agents", Agents)
    patch.setattr(run, "AgentProcess", Clicker)
    patch.setattr(run, "_calibrate", clicked)
    patch.setattr("bench.runner.session.play", play)
