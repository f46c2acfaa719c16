"""``duplex-lab run``: plays presets on fixtures, and reports what was heard."""

from __future__ import annotations

import typer

from bench.cli.playing.after import listen_to_silent_agents, print_report
from bench.cli.playing.before import describe, rehearse
from bench.cli.playing.options import (
    DEFAULT_PRESETS,
    Agent,
    Bot,
    DryRun,
    Fixtures,
    HeaderFromEnv,
    Line,
    MaxAudioMinutes,
    Network,
    NoSpin,
    Out,
    Presets,
    Repeats,
    Resume,
    Retries,
    WaitAfterAnswer,
)
from bench.cli.playing.planned import planned_in, require_lines
from bench.report.text.console import console
from bench.store.results import RESULTS, find_run, new_run_id


def run(
    presets: Presets = "",
    fixtures: Fixtures = "quick",
    repeats: Repeats = 1,
    retries: Retries = 2,
    out: Out = None,
    resume: Resume = None,
    bot: Bot = None,
    agent: Agent = None,
    line: Line = None,
    header_from_env: HeaderFromEnv = None,
    network: Network = "",
    max_audio_minutes: MaxAudioMinutes = 0.0,
    wait_after_answer: WaitAfterAnswer = 0.0,
    no_spin: NoSpin = False,
    dry_run: DryRun = False,
) -> None:
    """Play each preset on each fixture in real time, interleaved; print a table, draw a picture.

    Exit codes: 0 done; 1 done, but trials failed (their rows say why); 2 bad input, or a dry run
    that found what would stop it; 3 stopped by --max-audio-minutes, 130 by Ctrl-C, SIGTERM or
    SIGHUP (finished trials are kept: --resume DIR goes on).
    """
    from bench.runner.audio_budget import AudioSpentError
    from bench.runner.plan import make_plan
    from bench.runner.progress import progress
    from bench.runner.run import execute
    from bench.runner.stopwatch import Stopwatch
    from bench.store.store import read_trials
    from pipelines.remote.preset import remote_specs

    if resume is not None:
        run_dir = find_run(resume)
        plan = planned_in(run_dir)
    else:
        require_lines(agent or [], line or [])
        plan = make_plan(
            presets or ("" if bot or agent else DEFAULT_PRESETS),
            fixtures,
            repeats,
            bot,
            wait_after_answer,
            remote_specs(agent or [], line or [], header_from_env or []),
            network,
        )
        run_dir = out or RESULTS / new_run_id([spec.name for spec in plan.specs])
    if dry_run:
        describe(plan, max_audio_minutes)
        rehearse(plan, run_dir, resume is not None)
        return
    stopwatch = Stopwatch()
    spent: AudioSpentError | None = None
    failed = 0
    with progress() as watch:
        try:
            failed = execute(
                plan,
                run_dir,
                resume=resume is not None,
                watch=watch,
                retries=retries,
                stopwatch=stopwatch,
                spin=not no_spin,
                max_audio_min=max_audio_minutes,
            )
        except AudioSpentError as error:
            spent = error
    if spent and not any(not trial.warmup for trial in read_trials(run_dir)):
        raise spent
    if any(spec.kind == "remote" for spec in plan.specs):
        with stopwatch.part("listening"):
            listen_to_silent_agents(run_dir)
    with stopwatch.part("report"):
        print_report(run_dir)
    console().say(f"Time: {stopwatch.text()}")
    if spent:
        raise spent
    if failed:
        typer.echo(
            f"duplex-lab: {failed} trials failed; 'duplex-lab show {run_dir}' names them.", err=True
        )
        raise typer.Exit(1)
