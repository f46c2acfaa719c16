"""``duplex-lab run``: plays presets on fixtures, and reports what was heard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import console
from bench.report.text.escape import visible
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.runner.plan import Plan

RESULTS = Path("results")
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
            "duplex:session_150s is played only to presets of the kind duplex."
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
        Path | None, typer.Option(help="Folder of the run; default results/<time>-<presets>.")
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
    that found what would stop it; 130 stopped by Ctrl-C, SIGTERM or SIGHUP (finished trials are
    kept: --resume DIR goes on).
    """
    from bench.runner.plan import make_plan
    from bench.runner.progress import progress
    from bench.runner.run import execute, new_run_id

    if resume is not None:
        plan, run_dir = _planned_in(resume), resume
    else:
        plan = make_plan(
            presets or ("" if bot else DEFAULT_PRESETS), fixtures, repeats, bot, wait_after_answer
        )
        run_dir = out or RESULTS / new_run_id(plan.specs)
    if dry_run:
        _describe(plan)
        _rehearse(plan, run_dir, resume is not None)
        return
    with progress() as watch:
        failed = execute(plan, run_dir, resume=resume is not None, watch=watch, retries=retries)
    _report(run_dir)
    if failed:
        typer.echo(
            f"duplex-lab: {failed} trials failed; 'duplex-lab show {run_dir}' names them.", err=True
        )
        raise typer.Exit(1)


def _planned_in(run_dir: Path) -> Plan:
    """The plan of a run, with its presets as they were, whatever their files say now."""
    from bench.fixtures.library import select
    from bench.runner.plan import Plan
    from bench.store.store import read_info
    from pipelines.guards.texts import fit_name
    from pipelines.spec import parse_spec

    info = read_info(run_dir)
    planned = info.get("plan")
    if planned is None:
        why = "its run.json holds no plan, as a sample's" if info else "no run.json"
        raise LabError(f"{run_dir}: there is no run to resume ({why}).")
    try:
        presets, names = planned["presets"].items(), ",".join(planned["fixtures"])
        repeats, only = int(planned["repeats"]), dict(planned.get("only", {}))
        wait_s = float(planned.get("wait_s", 0.0))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LabError(
            f"{run_dir / 'run.json'}: its plan can't be understood, so that the run can't be gone "
            "on with: begin a new one."
        ) from None
    specs = tuple(parse_spec(fit_name(name), str(toml)) for name, toml in presets)
    return Plan(specs, tuple(select(names)), repeats, only, wait_s)


def _describe(plan: Plan) -> None:
    from bench.stats.format import duration
    from bench.stats.quantiles import bounded_quantiles, needed_n

    say = console().print
    n = plan.turns_per_preset
    say(f"presets:   {', '.join(spec.name for spec in plan.specs)}")
    say(f"fixtures:  {len(plan.fixtures)}, each {plan.repeats} times")
    say(f"trials:    {len(plan.trials)}, and {len(plan.warmups())} warm-ups")
    say(f"audio:     {duration(plan.audio_s)} of the user's speech")
    say(f"duration:  about {duration(plan.seconds())}")
    say(f"turns:     n = {n} per preset, if all are valid (repeats of a turn are not counted)")
    for name, bounded in bounded_quantiles(n).items():
        need = needed_n(int(name[1:]) / 100)
        word = "can be bounded" if bounded else f"insufficient n ({n}, {need})"
        say(f"  {name}:     {word}")


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
    from bench.report.text.table import print_table
    from bench.store import store
    from bench.summary.summary import summarise

    run = store.read_run(run_dir)
    summary = summarise(run, store.read_metrics(run_dir))
    print_table(summary)
    write_report(run_dir / "report.png", summary)
    console().print(f"\nPicture: {run_dir / 'report.png'}", soft_wrap=True)
    console().print(f"One turn's timeline: duplex-lab show {run_dir}/TRIAL", soft_wrap=True)
