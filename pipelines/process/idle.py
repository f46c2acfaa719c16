"""`IdleEngine`: any engine, in a child that computes only when nobody else wants the core."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from pipelines.process.engine import Emit, Engine, Request, imported

NICE = 19
"""Niceness, where the system knows no idle class."""


class IdleEngine:
    """Serves what another engine serves.

    Args:
        engine: ``module:class`` of the other.
        options: Its keyword arguments.
    """

    def __init__(self, *, engine: str, options: Mapping[str, Any]) -> None:
        step_back()  # before the other's libraries make threads, which inherit it
        self._engine: Engine = imported(engine)(**options)

    def load(self) -> None:
        """Loads the other."""
        self._engine.load()

    def warm_up(self) -> None:
        """Warms the other up."""
        self._engine.warm_up()

    def run(self, request: Request, emit: Emit) -> None:
        """Serves a request."""
        self._engine.run(request, emit)


def step_back() -> None:
    """Gives this process the lowest priority there is."""
    with contextlib.suppress(OSError):
        os.nice(NICE)
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
