"""A run that is harmed: its agent is killed, it is terminated, and it is resumed."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from bench.runner.plan import make_plan
from bench.runner.run import execute
from bench.store import store
from tests.bench.chains.real_runs import BRIEF, PLAYED, quiet

pytestmark = pytest.mark.unhurried

SHORT = f"""
import functools
from bench.cli.main import main
from bench.runner import plan
plan.Plan = functools.partial(plan.Plan, **{BRIEF})
main()
"""
"""The command with few clicks, and a user who soon hangs up."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A run of three trials: in the first the agent is killed, in the third the command is
    terminated; then it is resumed.
    """

    folder: Path
    stopped: store.Run
    """What it held when it had been stopped."""
    code: int
    said: str
    """The command's exit code, and its last words."""
    had_metrics: bool


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """``duplex-lab run`` as a user types it, and what harms it."""
    import pyarrow.parquet  # noqa: F401  (by which the warm-up is read: not while the agent plays)

    folder = tmp_path_factory.mktemp("runs") / "broken"
    words = ["run", "--presets", "cascade-scripted", "--fixtures", "greet_hello", "--repeats", "3"]
    process = subprocess.Popen(
        [sys.executable, "-c", SHORT, *words, "--out", str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    for line in process.stderr:
        if line.startswith("[0/3]") and "·" in line:
            by_s = time.monotonic() + 1.5  # before it answers
            agent = psutil.Process(agent_pid(folder))
            threading.Timer(by_s - time.monotonic(), agent.kill).start()
        elif line.startswith("[2/3]"):
            break
    time.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=90)
    stopped, metrics = store.read_run(folder), (folder / "metrics.parquet").is_file()
    plan = replace(make_plan("cascade-scripted", "greet_hello", 3), **BRIEF)
    assert execute(plan, folder, resume=True, watch=quiet) == 1
    return Broken(folder, stopped, process.returncode, said, metrics)


def agent_pid(folder):
    """The pid that the agent stamped on its marks in the warm-up."""
    marks = store.read_run(folder).marks("cascade-scripted.greet_hello.warmup0")
    return next(m.pid for m in marks if m.event == "write")


def test_a_run_that_is_terminated_says_what_was_kept_and_how_to_resume_it(broken):
    assert broken.code == 130
    how = f"To resume: duplex-lab run --resume {broken.folder}"
    assert f"Stopped; 2 of 3 trials are done and kept. {how}" in broken.said
    whole = [t for t in broken.stopped.trials if not t.warmup]
    assert len(whole) == 2 and broken.had_metrics


def test_an_agent_killed_in_mid_trial_is_a_row_and_the_run_goes_on(broken):
    run = store.read_run(broken.folder)
    dead = run.trial("cascade-scripted.greet_hello.0")
    assert (dead.status, dead.error) == (
        "error",
        "the agent process was killed by signal 9 (SIGKILL)",
    )
    assert run.trial("cascade-scripted.greet_hello.1").status in PLAYED
    assert run.recording(dead) is not None  # what was heard until then is kept
    row = next(
        r
        for r in store.read_metrics(run.path)
        if r.trial_id == dead.trial_id and r.metric == "voice_to_voice"
    )
    assert row.value is None and row.reason


def test_what_is_done_is_kept_and_resume_does_only_the_rest(broken):
    folder, stopped = broken.folder, broken.stopped
    kept = {f"cascade-scripted.greet_hello.{last}" for last in ("warmup0", "0", "1")}
    assert {trial.trial_id for trial in stopped.trials} == kept
    run = store.read_run(folder)
    assert store.done_trials(folder) == kept | {
        "cascade-scripted.greet_hello.2",
        "cascade-scripted.greet_hello.warmup1",
    }
    assert run.trial("cascade-scripted.greet_hello.2").status in PLAYED
    for trial in stopped.trials:
        assert run.trial(trial.trial_id) == trial
        assert run.marks(trial.trial_id) == stopped.marks(trial.trial_id)
    assert len(run.info["sessions"]) == 2
