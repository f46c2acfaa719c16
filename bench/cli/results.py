"""``duplex-lab show`` and ``metrics``: a finished run, read again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import Screen, console
from bench.report.text.escape import visible
from bench.report.text.listing import FORMAT_HELP, Format, print_lists
from bench.store.results import LATEST, find_run
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.store.records import MetricRow
    from bench.store.store import Run
    from bench.summary.summary import RunSummary


def show(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN[/TRIAL]",
            help="A run's folder, or one trial in it; default: the latest run.",
        ),
    ] = LATEST,
    everything: Annotated[
        bool, typer.Option("--all", help="All tables, notes and trials.")
    ] = False,
    frames: Annotated[
        bool,
        typer.Option(
            "--frames", help="Frames of duplex models: their tables; of a trial each frame's marks."
        ),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="What each column means; needs no run.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """Print what is slow in a run, and its slowest trials; or one trial's timeline.

    With --format json, csv or md: a row a preset, with --all every figure.
    """
    if explain:
        _explain(form)
        return
    from bench.store import store

    path = find_run(what)
    if path.is_dir():
        run, rows = store.read_run(path), store.read_metrics(path)
        _show_run(path, run, rows, form, everything=everything, frames=frames)
        return
    if not (path.parent / "run.json").is_file():
        raise LabError(f"{what}: there is no such run; name a run's folder, or FOLDER/TRIAL.")
    from bench.report.text.trial import WIDTH
    from bench.report.text.trial import show as timeline

    if form is not Format.table:
        raise LabError(f"{what}: --format is for a run's figures; a trial's timeline is text.")
    out = console()
    run = store.read_run(path.parent)
    text = timeline(run, path.name, frames=frames, width=out.width or WIDTH)
    for line in text.splitlines():
        out.line(line)


def _explain(form: Format) -> None:
    from bench.report.text.first_look.explain import explained

    if form is not Format.table:
        print_lists(form, explained())
        return
    for row in explained().rows:
        console().say(f"{row['column']}: {row['meaning']}", indent="    ")


def _show_run(
    path: Path,
    run: Run,
    rows: list[MetricRow],
    form: Format,
    *,
    everything: bool,
    frames: bool,
) -> None:
    from bench.report.capacity import verdict
    from bench.report.text.causes import NOT_COMPUTED, cause_blocks
    from bench.report.text.first_look.headline import headline, print_headline, warnings
    from bench.report.text.first_look.trials import SHOWN, not_well, trials
    from bench.report.text.first_token import first_token_blocks, first_tokens
    from bench.report.text.formats import as_csv, as_json, as_markdown
    from bench.report.text.table import print_table
    from bench.store import store
    from bench.summary.summary import summarise

    known = store.read_causes(path)
    summary = summarise(run, rows, known)
    if form is not Format.table:
        if everything:
            whole = {Format.json: as_json, Format.md: as_markdown}
            text = as_csv(rows) if form is Format.csv else whole[form]([summary])
            sys.stdout.write(text)
        else:
            print_lists(form, headline(summary), notes=list(warnings(summary)))
        return
    out = console()
    if "capacity" in run.info:
        for sentence in verdict(run.info["capacity"]):
            out.say(sentence)
        out.line()
    print_headline(summary, path, out)
    if known is None:
        out.line(NOT_COMPUTED.replace("RUN", str(path)))
    if everything:
        out.line()
        print_table(summary, out)
        for block in (*first_token_blocks(first_tokens(rows)), *cause_blocks(summary.causes)):
            out.line()
            out.table(block)
    elif frames:
        _show_frames(summary, out)
    out.line()
    listed = trials(run.trials, rows, None if everything else SHOWN)
    out.table(listed.block())
    if unlisted := not_well(run.trials, listed):
        out.say(unlisted)
    more = len(run.trials) - len(listed.rows)
    if more > 0:
        out.say(f"{more} more trials and all tables: duplex-lab show {path} --all")
    if not everything:
        out.say("Columns explained: duplex-lab show --explain")
        out.say(f"The page: duplex-lab report {path}")


def _show_frames(summary: RunSummary, out: Screen) -> None:
    """The tables of duplex models, and what they need beside them."""
    from bench.report.text.table_frames import duplex_blocks, duplex_notes

    for block in duplex_blocks(summary.duplex):
        out.line()
        out.table(block)
    for note in duplex_notes(summary.duplex):
        out.say(note, "dim")
    if not summary.duplex:
        out.say("No preset of this run has frames.")


def metrics(
    run: Annotated[Path, typer.Argument(help="A run's folder, or latest.")],
) -> None:
    """Compute all metrics again from the marks and recordings on disk; print the table.

    Exit codes: 0 done; 1 done, but a recording does not match its marks (it is named); 2 bad input.
    """
    from bench.metrics.recompute import analyse_again
    from bench.report.text.first_look.headline import print_headline
    from bench.store import store
    from bench.summary.summary import summarise
    from bench.timeline.agreement import mismatches

    run = find_run(run)
    found, rows = analyse_again(run)
    print_headline(summarise(found, rows, store.read_causes(run)), run)
    wrong = list(mismatches(found))
    for trial_id, why in wrong:
        said = visible(f"{trial_id}: its recording does not match its marks: {why}")
        typer.echo(f"duplex-lab: {said}; its figures can't be trusted.", err=True)
    if wrong:
        raise typer.Exit(1)
