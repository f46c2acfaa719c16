"""Loads what a run would load, and says what would stop it: nothing is played or written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.agent.pool import Agents
from bench.runner.plan import Plan
from bench.runner.progress import Progress, Watcher
from bench.runner.run import open_run, provide
from pipelines.errors import LabError
from pipelines.readiness.capability import builds_first, lacks
from pipelines.secrets import redact
from pipelines.spec import PipelineSpec


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What is known of a preset before it is run."""

    preset: str
    """Its name; empty: of the run as a whole."""
    loaded_s: float | None = None
    """How long its agent took to load, s; None: it was not loaded."""
    builds: tuple[str, ...] = ()
    """What the run will build first, so that nothing was loaded."""
    stops: tuple[str, ...] = ()
    """What would stop it, a sentence each."""


def rehearse(plan: Plan, run_dir: Path, resume: bool, watch: Watcher) -> Iterator[Rehearsed]:
    """Each preset's bot, models and keys, tried in a process as the run's; and the run's folder.

    Args:
        plan: What is to be played.
        run_dir: Where to; it is looked at, not made.
        resume: As `bench.runner.run.execute`.
        watch: Told of the progress.
    """
    for spec in plan.specs:
        watch(Progress(0, len(plan.trials), plan.seconds(), f"loading {spec.name}"))
        yield _of(spec, plan, watch)
    try:
        open_run(plan, run_dir, resume)
    except LabError as error:
        yield Rehearsed("", stops=(str(error),))


def _of(spec: PipelineSpec, plan: Plan, watch: Watcher) -> Rehearsed:
    reasons = tuple(map(redact, lacks(spec)))
    builds = tuple(builds_first(spec))
    if reasons or builds:
        return Rehearsed(spec.name, builds=builds, stops=reasons)
    agents = Agents()
    began_s = time.monotonic()
    try:
        provide(replace(plan, specs=(spec,)), watch)
        agents.prepare(spec)
    except LabError as error:
        return Rehearsed(spec.name, stops=(redact(str(error)),))
    finally:
        agents.stop()
    return Rehearsed(spec.name, loaded_s=time.monotonic() - began_s)
