"""``duplex-lab run``: plays presets on fixtures, and reports what was heard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import console
from bench.report.text.escape import visible
from bench.store.results import RESULTS, find_run, new_run_id
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.runner.plan import Plan

DEFAULT_PRESETS = "cascade-embedded,cascade-stock"


def run(
    presets: Annotated[
        str,
        typer.Option(
            help="Presets, by commas: names (see 'presets list') or .toml files.",
            show_default=DEFAULT_PRESETS,
        ),
    ] = "",
    fixtures: Annotated[
        str,
        typer.Option(
            help="Fixtures, by commas: names, patterns, kinds or tags (quick, clean, all). "
            "duplex:session_150s is played only to presets of the kind duplex; after a preset's "
            "name and a colon stands what that preset plays, and nothing else."
        ),
    ] = "quick",
    repeats: Annotated[
        int, typer.Option(min=1, help="Number of times that each fixture is played.")
    ] = 1,
    retries: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of times that a fixture is played again to a preset because the measuring "
            "side was late (a shared or busy machine); the late trial stays, not valid. 0: never.",
        ),
    ] = 2,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run; default results/<time>-<preset>."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Resume the run in this folder, with its own presets and fixtures; trials "
            "that failed count as done, those with a late measuring side get --retries."
        ),
    ] = None,
    bot: Annotated[
        Path | None,
        typer.Option(help="Your own Pipecat bot, a .py file with async def bot(runner_args)."),
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            help="Address of an agent that runs elsewhere, ws://127.0.0.1:8765/talk for one; once "
            "for each agent, each with its --line."
        ),
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(
            help="Protocol that the agent speaks: pcm-websocket, stream, openai-realtime, "
            "pipecat, twilio, moshi; 'duplex-lab lines' explains them."
        ),
    ] = None,
    header_from_env: Annotated[
        list[str] | None,
        typer.Option(
            help="Header of the request that opens the connection, its value from an environment "
            "variable: Authorization=OPENAI_API_KEY. For all --agent."
        ),
    ] = None,
    network: Annotated[
        str,
        typer.Option(
            help="Networks to simulate between user and agent, by commas: each preset is played "
            "over each of them, under a name of its own; 'none' is the preset as it is. "
            "'duplex-lab networks' lists them.",
            show_default="none",
        ),
    ] = "",
    max_audio_minutes: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Stop before a trial that would bring the audio exchanged with the agents (the "
            "user's and theirs, warm-ups too) over so many minutes, in this and earlier sessions "
            "of the run: for agents that are paid for. 0: never.",
        ),
    ] = 0.0,
    wait_after_answer: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=60.0,
            help="Least silence, in s, after which an agent's answer is taken to be over: for one "
            "that works without a sound between two parts of its answer, and whose marks don't "
            "say so.",
            show_default="1.5",
        ),
    ] = 0.0,
    no_spin: Annotated[
        bool,
        typer.Option(
            "--no-spin",
            help="Let the cores doze, even if this machine's timers wake late; else a process of "
            "the idle class keeps each core awake while the run lasts, and the run says so.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print how long it will take and which quantiles n can bound; load bots, models "
            "and keys as the run would, and name what would stop it. Nothing is played or written.",
        ),
    ] = False,
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
        plan = _planned_in(run_dir)
    else:
        _require_lines(agent or [], line or [])
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
        _describe(plan, max_audio_minutes)
        _rehearse(plan, run_dir, resume is not None)
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
            _listen(run_dir)
    with stopwatch.part("report"):
        _report(run_dir)
    console().say(f"Time: {stopwatch.text()}")
    if spent:
        raise spent
    if failed:
        typer.echo(
            f"duplex-lab: {failed} trials failed; 'duplex-lab show {run_dir}' names them.", err=True
        )
        raise typer.Exit(1)


def _require_lines(urls: list[str], lines: list[str]) -> None:
    """Refuses an address without its protocol, and names the one that it looks like."""
    if not urls or lines:
        return
    from bench.lines.table import suggested

    likely = suggested(urls[0])
    if likely:
        try_this = f"by its path it may be --line {likely[0]}"
        try_this += f" (or {', '.join(likely[1:])})" if likely[1:] else ""
    else:
        try_this = "raw PCM is --line pcm-websocket"
    raise LabError(
        f"--agent {urls[0]}: name the protocol that it speaks: {try_this}; 'duplex-lab lines' "
        "lists them all."
    )


def _listen(run_dir: Path) -> None:
    """Has a recogniser listen to agents elsewhere that report no words of their own."""
    from bench.store import store

    run = store.read_run(run_dir)
    remote = [trial for trial in run.trials if trial.kind == "remote" and not trial.warmup]
    if all(any(m.event == "agent_text" for m in run.marks(t.trial_id)) for t in remote):
        return
    from bench.recorded.listener import Sphinx, listen

    typer.echo("The agent reports no words: a recogniser listens to its answers …", err=True)
    recogniser = Sphinx()
    listen(run_dir, recogniser, recogniser.described)


def _planned_in(run_dir: Path) -> Plan:
    """The plan of a run, with its presets as they were, whatever their files say now."""
    from bench.caller.plan import SILENCE_AFTER_AGENT_S
    from bench.fixtures.library import select
    from bench.runner.plan import Plan
    from bench.store import store
    from pipelines.guards.texts import fit_name
    from pipelines.spec import parse_spec

    info = store.read_info(run_dir)
    planned = info.get("plan")
    if planned is None:
        why = "its run.json holds no plan, as a sample's" if info else "no run.json"
        raise LabError(f"{run_dir}: there is no run to resume ({why}).")
    try:
        presets, names = planned["presets"].items(), ",".join(planned["fixtures"])
        repeats, only = int(planned["repeats"]), dict(planned.get("only", {}))
        own = {str(name): tuple(of) for name, of in planned.get("own", {}).items()}
        wait_s = float(planned.get("wait_s", 0.0))
        silence_s = float(planned.get("silence_s", SILENCE_AFTER_AGENT_S))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LabError(
            f"{run_dir / 'run.json'}: its plan can't be understood, so that the run can't be gone "
            "on with: begin a new one."
        ) from None
    specs = tuple(parse_spec(fit_name(name), str(toml)) for name, toml in presets)
    return Plan(specs, tuple(select(names)), repeats, only, own, wait_s, silence_s)


def _describe(plan: Plan, max_audio_min: float) -> None:
    from bench.stats.format import duration

    say = console().say
    n = plan.turns_per_preset
    say(f"presets:   {', '.join(spec.name for spec in plan.specs)}")
    say(f"fixtures:  {len(plan.fixtures)}, each {plan.repeats} times")
    say(f"trials:    {len(plan.trials)}, and {len(plan.warmups())} warm-ups")
    say(f"audio:     {duration(plan.audio_s)} of the user's speech")
    over = " (--max-audio-minutes stops it before)" if max_audio_min else ""
    over = over if plan.exchanged_s > 60 * max_audio_min else ""
    say(f"exchanged: about {duration(plan.exchanged_s)} of audio with the agents, both ways{over}")
    say(f"duration:  about {duration(plan.seconds())}")
    say(f"turns:     n = {n} per preset, if all are valid (repeats of a turn are not counted)")
    if plan.conversations_per_preset < n:
        say(f"           in {plan.conversations_per_preset} conversations")
    for p, (have, need) in plan.bounds().items():
        word = "can be bounded" if have >= need else f"insufficient n ({have}, {need})"
        say(f"  p{100 * p:g}:     {word}")


def _rehearse(plan: Plan, run_dir: Path, resume: bool) -> None:
    """Says of each preset what it loads, and ends with 2 if anything would stop the run."""
    from bench.runner.progress import progress
    from bench.runner.rehearse import rehearse

    with progress() as watch:
        found = list(rehearse(plan, run_dir, resume, watch))
    for one in found:
        head = f"{one.preset}: " if one.preset else ""
        if one.loaded_s is not None:
            typer.echo(f"{head}loads, in {one.loaded_s:.1f} s")
        if one.builds and not one.stops:
            typer.echo(f"{head}not tried: the run first builds {', '.join(one.builds)}")
        for why in one.stops:
            said = why if one.preset and one.preset in why else f"{head}{why}"
            typer.echo(f"duplex-lab: {visible(said)}", err=True)
    if any(one.stops for one in found):
        raise typer.Exit(2)


def _report(run_dir: Path) -> None:
    from bench.report.plots.latency import write_report
    from bench.report.text.first_look.headline import print_headline
    from bench.store import store
    from bench.summary.summary import summarise

    run = store.read_run(run_dir)
    rows = store.read_metrics(run_dir)
    summary = summarise(run, rows, store.read_causes(run_dir))
    print_headline(summary, run_dir)
    write_report(run_dir / "report.png", summary)
    say = console().line
    say()
    say(f"Picture:  {run_dir / 'report.png'}")
    say(f"Figures:  duplex-lab show {run_dir} --all")
    say(f"One turn: duplex-lab show {run_dir}/TRIAL")
    say(f"The page: duplex-lab report {run_dir}")
