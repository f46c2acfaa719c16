"""A run: plan, warm up, interleave, isolate failure, keep results, resume.

A run is written trial by trial; whatever ends it, everything measured so far is on disk and can be
resumed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.agent.pool import PREPARE_TIMEOUT_S, Agents
from bench.agent.process import AgentProcess
from bench.agent.remote import require_line
from bench.caller.process import CallerProcess
from bench.fixtures.labels import labels_of
from bench.machine import description as machine
from bench.metrics.recompute import analyse
from bench.runner.audio_budget import AudioBudget, AudioSpentError
from bench.runner.calibration import (
    CALIBRATIONS,
    Calibrator,
    LostClickError,
    Spread,
)
from bench.runner.late_again import late_again
from bench.runner.plan import CLICKS_PER_RUN, Plan, Planned, closing_s
from bench.runner.progress import Progress, Watcher
from bench.runner.session import NOTHING_BESIDE, Beside, Session
from bench.runner.spinner import Spinner
from bench.runner.spinner import start as start_spinner
from bench.runner.stopwatch import Stopwatch
from bench.store import store
from bench.store.lock import RunLock
from bench.store.records import FAILED
from bench.store.results import note_latest
from bench.store.schema import SCHEMA_VERSION
from bench.timeline.lateness import WAKES_LATE_MS
from pipelines.errors import LabError
from pipelines.models.needed import require as require_models
from pipelines.registry import architecture, load_object
from pipelines.spec import PipelineSpec, load_spec

IN_TIME = "the timers of this machine wake in time"
ASKED = "asked not to, by --no-spin"
"""Why no spinner was started."""


class RunStoppedError(LabError):
    """Ctrl-C: finished trials are kept."""

    exit_code = 130


def execute(
    plan: Plan,
    run_dir: Path,
    *,
    resume: bool,
    watch: Watcher,
    retries: int = 0,
    beside: Beside = NOTHING_BESIDE,
    stopwatch: Stopwatch | None = None,
    spin: bool = True,
    max_audio_min: float = 0.0,
) -> int:
    """Plays a plan into a folder, and computes its metrics.

    Args:
        plan: Presets, fixtures and repeats.
        run_dir: Folder of the run; made if need be.
        resume: True to resume the folder's run; else a folder that holds a run is refused.
        watch: Takes the progress.
        retries: Number of times that a fixture may be played again to a preset because the
            measuring side was late.
        beside: Passive taps of the agents' pipelines.
        stopwatch: Counts the time of each part.
        spin: True to keep the cores from dozing where this machine's timers wake late.
        max_audio_min: Audio, in minutes, that the run may exchange with its agents; 0: any.

    Returns:
        Number of the plan's trials that failed.

    Raises:
        LabError: bad input, or a disk that can't be written; the folder keeps the finished trials.
        AudioSpentError: the next trial would exceed `max_audio_min`; as after Ctrl-C.
        RunStoppedError: Ctrl-C.
    """
    stopwatch = stopwatch or Stopwatch()
    provide(plan, watch)  # before the folder exists: a refused run leaves nothing behind
    with RunLock(run_dir), ExitStack() as stack:
        info = open_run(plan, run_dir, resume)
        done = store.done_trials(run_dir)
        todo = [t for t in plan.trials if t.trial_id not in done]
        if done and not todo:
            todo = late_again(plan, store.statuses(run_dir), retries)

        budget = _budget(run_dir, max_audio_min)

        def session(caller: CallerProcess, agents: Agents) -> Session:
            return Session(plan, run_dir, caller, agents, watch, retries, beside, budget)

        try:
            if todo:
                _play_all(session, plan, todo, run_dir, info, stack, stopwatch, spin)
        except KeyboardInterrupt:
            stack.close()
            _finish(run_dir)
            kept = _kept(plan, run_dir)
            if not kept:
                raise RunStoppedError("Stopped before the first trial was done.") from None
            raise RunStoppedError(f"Stopped; {kept}{run_dir}") from None
        except AudioSpentError as spent:
            stack.close()
            _finish(run_dir)
            raise AudioSpentError(
                f"{spent} {_kept(plan, run_dir) or 'To resume: duplex-lab run --resume '}{run_dir} "
                f"--max-audio-minutes {2 * max_audio_min:g}"
            ) from None
        except LabError:
            stack.close()
            with contextlib.suppress(LabError):  # the first sentence is the one to report
                _finish(run_dir)
            raise
        with stopwatch.part("stopping"):
            stack.close()
        watch(Progress(len(todo), len(todo), closing_s(len(plan.trials)), "computing metrics"))
        with stopwatch.part("metrics"):
            run = _finish(run_dir)
        return sum(t.status in FAILED for t in run.trials if not t.warmup) if run else 0


def _kept(plan: Plan, run_dir: Path) -> str:
    """How many trials are done, and the command that resumes the run, but for its folder; empty
    where none is.
    """
    kept = len(store.done_trials(run_dir) & {t.trial_id for t in plan.trials})
    if not kept:
        return ""
    return (
        f"{kept} of {len(plan.trials)} trials are done and kept. "
        "To resume: duplex-lab run --resume "
    )


def _budget(run_dir: Path, max_audio_min: float) -> AudioBudget:
    """The audio that a run may still exchange: what it holds already is counted."""
    if not max_audio_min or not store.done_trials(run_dir):
        return AudioBudget(max_audio_min)
    run = store.read_run(run_dir)
    return AudioBudget(max_audio_min, ((t, run.marks(t.trial_id)) for t in run.trials))


def provide(plan: Plan, watch: Watcher) -> None:
    """Refuses what is impossible, builds what is missing: here, where progress can be shown.

    Raises:
        LabError: a model, a key or a bot is missing, or something can't be built.
    """
    require_models(plan.specs)
    for spec in plan.specs:
        if spec.architecture == "remote":
            require_line(spec)
        if path := architecture(spec.architecture).provide:

            def tell(text: str, name: str = spec.name) -> None:
                watch(Progress(0, len(plan.trials), plan.seconds(), f"{name}: {text}"))

            load_object(path)(spec, tell)


def open_run(plan: Plan, run_dir: Path, resume: bool) -> dict[str, Any]:
    """The contents of ``run.json``: new, or as they are where a run of the same plan is resumed.

    Raises:
        LabError: the folder holds another run.
    """
    found = store.read_info(run_dir)
    if found and not resume and store.done_trials(run_dir):
        raise LabError(
            f"{run_dir} already holds a run: resume it by --resume {run_dir}, "
            "or name another folder with --out."
        )
    if found and resume:
        if found.get("plan") != plan.identity():
            raise LabError(
                f"{run_dir} was measured with other presets, fixtures or repeats: "
                "it can only be resumed with the same ones."
            )
        return found
    return {
        "run_id": run_dir.name,
        "schema_version": SCHEMA_VERSION,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": plan.identity(),
        "machine": machine.describe(),
        "sessions": [],
        "presets": {spec.name: _describe(spec) for spec in plan.specs},
        "fixtures": {f.name: labels_of(f).to_dict() for f in plan.fixtures},
    }


def _describe(spec: PipelineSpec) -> dict[str, Any]:
    """A preset as it was used, and its models' files."""
    models = architecture(spec.architecture).models
    return {
        "title": spec.title,
        "architecture": spec.architecture,
        "weights": spec.weights,
        "audio": asdict(spec.audio),
        "network": asdict(spec.network) if spec.network else None,
        "stages": {name: asdict(options) for name, options in spec.stages.items()},
        "models": load_object(models)(spec) if models else [],
    }


def _play_all(
    session: Callable[[CallerProcess, Agents], Session],
    plan: Plan,
    todo: list[Planned],
    run_dir: Path,
    info: dict[str, Any],
    stack: ExitStack,
    stopwatch: Stopwatch,
    spin: bool,
) -> None:
    caller = stack.enter_context(CallerProcess())
    agents = Agents(run_dir)
    stack.callback(agents.stop)
    # Called first: when the caller hangs up, an agent in mid-trial ends by itself.
    stack.callback(caller.stop)
    playing = session(caller, agents)
    with stopwatch.part("load"):
        playing.say(todo, 0, "starting", ahead_s=plan.opening_s(len(plan.specs)))
        clicker = AgentProcess(load_spec("click"))
        stack.callback(clicker.stop, 0.0)
        clicker.ask("start")
        agents.start(plan.specs)
        clicker.wait(PREPARE_TIMEOUT_S)
        for i, spec in enumerate(plan.specs):
            ahead_s = plan.opening_s(len(plan.specs) - i)
            playing.say(todo, 0, f"loading {spec.name}", ahead_s=ahead_s)
            agents.prepare(spec)
    with stopwatch.part("calibration"):
        playing.say(todo, 0, "calibrating", ahead_s=plan.opening_s(0))
        clicks = _calibrate(caller, clicker, plan.clicks)
        steadied = (
            _steadied(caller, clicks, stack)
            if spin
            else {"calibration": clicks, "spinner": Spinner(why_not=ASKED).to_dict()}
        )
    info["sessions"].append(
        {
            "utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine.describe(),
            "caller_priority": caller.priority,
            **steadied,
        }
    )
    info["calibration"] = worst(info["sessions"])
    store.write_info(run_dir, info)
    note_latest(run_dir)
    with stopwatch.part("warm-up"):
        playing.warm_up(len(info["sessions"]), todo)
    with stopwatch.part("conversations"):
        playing.play_all(todo)
    info["sessions"][-1]["seconds"] = {name: round(s, 1) for name, s in stopwatch.parts.items()}
    store.write_info(run_dir, info)


def _calibrate(
    caller: CallerProcess, clicker: AgentProcess | None = None, clicks: int = CLICKS_PER_RUN
) -> dict[str, Any]:
    """The clicks played before the first trial of every run: their largest error counts.

    Args:
        caller: The caller to calibrate.
        clicker: A click agent that runs already.
        clicks: Number of clicks.
    """
    for left in reversed(range(CALIBRATIONS)):  # like a late trial: the machine may have stalled
        try:
            with Calibrator(caller, clicker) as calibrator:
                result = calibrator.clicks(clicks, delay_ms=80.0, seed=1)
            break
        except LostClickError:
            clicker = None  # it was ended with the try
            if not left:
                raise
    spread = Spread.of([a.ruler_ms for a in result.answered])
    return {
        "sent": result.clicks,
        "heard": len(result.answered),
        "max_error_ms": spread.max,
        "timers_late_ms": result.timers_late_ms,
    }


def _steadied(caller: CallerProcess, clicks: dict[str, Any], stack: ExitStack) -> dict[str, Any]:
    """Starts spinners where the timers wake late, and calibrates again.

    Returns:
        What a session says of its calibration and its spinners.
    """
    late_ms = clicks["timers_late_ms"]
    if late_ms is None or late_ms <= WAKES_LATE_MS:
        return {"calibration": clicks, "spinner": Spinner(why_not=IN_TIME).to_dict()}
    spinner = stack.enter_context(start_spinner())
    if not spinner.cores:
        return {"calibration": clicks, "spinner": spinner.to_dict()}
    again = {**_calibrate(caller, clicks=clicks["sent"]), "before_spinning": clicks}
    return {"calibration": again, "spinner": spinner.to_dict()}


def worst(sessions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The calibrations of several sessions as one: the largest error, all clicks."""
    found = [session["calibration"] for session in sessions]
    return {
        "max_error_ms": max(c["max_error_ms"] for c in found),
        "sent": sum(c["sent"] for c in found),
        "heard": sum(c["heard"] for c in found),
    }


def _finish(run_dir: Path) -> store.Run | None:
    """Gathers the parts and computes the metrics of the finished trials."""
    return analyse(run_dir)[0] if store.done_trials(run_dir) else None
