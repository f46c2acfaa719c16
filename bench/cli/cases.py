"""``duplex-lab cases``: named conversations with the server, with and without what it can add."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import console
from bench.report.text.listing import Column, Format, Listing, print_lists
from bench.store.results import RESULTS, find_run, new_run_id
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.cases.case import Case
    from bench.runner.plan import Plan

COLUMNS = (
    Column("case", "name"),
    Column("kind", "kind"),
    Column("feature", "feature"),
    Column("turns", "turns"),
)


def cases(
    selector: Annotated[
        str,
        typer.Option(
            "--cases",
            help="Play these only: names, patterns (chat_*), voice, chat, memory, tools or "
            "fillers, by commas.",
            show_default="all",
        ),
    ] = "",
    preset: Annotated[
        str, typer.Option(help="What the servers serve: a cascade, by its name or .toml file.")
    ] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="Cases of your own, as bench/cases/cases.toml.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; default results/<time>-cases.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Resume the run in this folder, with its own cases.")
    ] = None,
    retries: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of times that a case is played again because the measuring side was late.",
        ),
    ] = 1,
    show: Annotated[
        Path | None, typer.Option(help="Print the tables of a run that was played, play none.")
    ] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Print the cases, play none.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print how long it will take, play none.")
    ] = False,
) -> None:
    """Play named conversations, spoken and written, through 'serve', and say what came of them.

    A server is started for each variant (plain, with memory, with tools, with fillers). Each case
    is played with its feature and without, one after the other, so that what a feature costs is a
    difference of pairs. The run is an ordinary one: 'show', 'report' and 'compare' open it.

    Exit codes: 0 done; 1 done, but trials failed; 2 bad input; 130 stopped (--resume goes on).
    """
    from bench.cases.case import CASES, chosen, read_cases

    every = read_cases(file or CASES)
    wanted = chosen(every, selector)
    if only_list:
        _list(wanted)
        return
    if show is not None:
        _report(every, find_run(show))
        return
    if resume is not None:
        if selector or preset:
            raise LabError("--resume plays the run's own cases: leave --cases and --preset out.")
        run_dir = find_run(resume)
    else:
        run_dir = out or RESULTS / new_run_id(["cases"])
    if dry_run:
        with TemporaryDirectory() as nowhere:
            _describe(wanted, _plan(wanted, preset, run_dir, resume is not None, Path(nowhere)))
        return
    plan = _plan(wanted, preset, run_dir, resume is not None, run_dir / "servers")
    failed = _play(plan, run_dir, resume is not None, retries)
    _report(every, run_dir)
    if failed:
        typer.echo(
            f"duplex-lab: {failed} trials failed; 'duplex-lab show {run_dir}' names them.", err=True
        )
        raise typer.Exit(1)


def _list(wanted: list[Case]) -> None:
    rows = tuple(
        {
            "name": case.name,
            "kind": case.kind,
            "feature": case.feature,
            "turns": " / ".join(step.write or f"({step.say})" for step in case.steps),
        }
        for case in wanted
    )
    notes = ["Names in brackets are fixtures: duplex-lab fixtures show NAME."]
    print_lists(Format.table, Listing("cases", COLUMNS, rows), notes=notes)


def _plan(wanted: list[Case], preset: str, run_dir: Path, resume: bool, folder: Path) -> Plan:
    from bench.cases.plan import make_plan, planned_in
    from bench.cases.variants import PRESET
    from bench.store import store
    from pipelines.server.session.forms import servable
    from pipelines.spec import load_spec

    if resume:
        return planned_in(run_dir, wanted)
    if store.read_info(run_dir):
        raise LabError(f"{run_dir}: already holds a run: --resume {run_dir}, or another --out.")
    spec = load_spec(preset or PRESET)
    servable(spec)
    if spec.kind != "cascade":
        raise LabError(
            f"--preset {preset}: half of the cases are written, which only cascades read."
        )
    name = str(Path(preset).resolve()) if preset.endswith(".toml") else spec.name
    return make_plan(wanted, name, folder)


def _describe(wanted: list[Case], plan: Plan) -> None:
    from bench.stats.format import duration

    say = console().say
    say(f"cases:    {len(wanted)}, {sum(case.kind == 'voice' for case in wanted)} of them spoken")
    say(f"variants: {', '.join(spec.name for spec in plan.specs)}")
    say(f"trials:   {len(plan.trials)}, and {len(plan.warmups())} warm-ups")
    say(f"duration: about {duration(plan.seconds())}")


def _play(plan: Plan, run_dir: Path, resume: bool, retries: int) -> int:
    from bench.runner.progress import progress
    from bench.runner.run import execute

    with progress() as watch:
        return execute(plan, run_dir, resume=resume, watch=watch, retries=retries)


def _report(every: list[Case], run_dir: Path) -> None:
    from bench.cases.figures import costs, table, told
    from bench.report.text.comparison import block, notes
    from bench.store import store

    run, rows = store.read_run(run_dir), store.read_metrics(run_dir)
    if not any(trial.fixture in {case.name for case in every} for trial in run.trials):
        raise LabError(f"{run_dir}: there is no run of these cases in it.")
    out = console()
    out.table(table(told(every, run.trials, rows)))
    pairs = costs(run.run_id, run.trials, rows)
    for pair in pairs:
        out.line()
        out.table(block(pair))
    for note in notes(pairs) if pairs else ():
        out.say(note, "dim")
    out.line()
    out.line(f"Run: {run_dir}   table: duplex-lab show {run_dir}")
