"""``duplex-lab sweep``: presets × options × fixtures × networks × repeats, as ordinary runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.playing.options import NoSpin
from bench.report.text.console import console
from bench.report.text.escape import visible
from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, Row, print_lists
from bench.store.results import RESULTS

if TYPE_CHECKING:
    from bench.sweep.folder import SweepFolder
    from bench.sweep.grid import Cell, Grid


def sweep(
    file: Annotated[Path, typer.Argument(help="The sweep's file, .toml: see docs/sweeps.md.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the sweep; default results/<the file's name>.")
    ] = None,
    ray: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Play on a Ray cluster: 'auto', or the host and port of its head.",
        ),
    ] = "",
    no_spin: NoSpin = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its length; play nothing.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """Play a grid of presets, options, fixtures and networks; the same command goes on with it.

    Each run of the grid is an ordinary one: 'show', 'report' and 'compare' open it. It is played
    shard by shard, on this machine or by --ray on a cluster; each run is of one machine.

    Exit codes: 0 done; 1 done, but trials failed (their rows say why); 2 bad input; 130 stopped by
    Ctrl-C, SIGTERM or SIGHUP (the same command goes on).
    """
    from bench.runner.progress import progress
    from bench.store.lock import RunLock
    from bench.sweep.cluster.play import play_on
    from bench.sweep.folder import SweepFolder
    from bench.sweep.grid import plan_sweep
    from bench.sweep.local import play, play_here
    from bench.sweep.sweep_file import read_sweep

    grid = plan_sweep(read_sweep(file))
    folder = SweepFolder(out or RESULTS / grid.name)
    if dry_run:
        _describe(folder.known(grid), folder, form)
        return
    with RunLock(folder.path):
        grid = folder.open(grid)
        with progress() as watch:
            if ray:
                play_on(ray, grid, folder, watch, spin=not no_spin, tell=_say)
            else:
                play_here(grid, folder, watch, lambda *args: play(*args, spin=not no_spin))
    failed = _report(folder, form)
    if failed:
        typer.echo(f"duplex-lab: {failed} trials failed; 'show' of their run names them.", err=True)
        raise typer.Exit(1)


def _say(sentence: str) -> None:
    typer.echo(f"duplex-lab: {visible(sentence)}", err=True)


PLANNED = (
    Column("run", "run"),
    Column("presets", "presets"),
    Column("fixtures", "fixtures", is_figure=True),
    Column("repeats", "repeats", is_figure=True),
    Column("trials", "trials", is_figure=True),
    Column("shards", "shards", is_figure=True),
    Column("done", "done", is_figure=True),
    Column("turns", "turns", is_figure=True),
    Column("bounded", "bounded"),
)
FIGURES = (
    Column("run", "run"),
    Column("machine", lambda row: row["machine"] or "this one"),
    Column("preset", "preset"),
    Column("trials", "trials", is_figure=True),
    Column("valid", lambda row: f"{row['valid']}/{row['turns']}", is_figure=True),
    Column("p50 ms [95 %]", lambda row: _p50(row), is_figure=True),
    Column("slowest", lambda row: _ms(row["slowest_ms"]), is_figure=True),
)


def _describe(grid: Grid, folder: SweepFolder, form: Format) -> None:
    """Prints a plan: its runs, its length, and how much of it is done."""
    from bench.stats.format import duration

    left = folder.left(grid)
    rows = tuple(_planned(cell, grid, {shard.name for shard in left}) for cell in grid.cells)
    trials = sum(row["trials"] for row in rows)
    left_s = sum(shard.plan.seconds() for shard in left)
    notes = [
        f"{_counted(trials, 'trial')} in {_counted(len(grid.shards), 'shard')}: about "
        f"{duration(grid.seconds())} on one machine, {duration(left_s)} of it left. "
        f"In {folder.path}.",
        "turns: n per preset and run, if all are valid (repeats of a turn are not counted); "
        "bounded: the quantiles that n can bound.",
    ]
    print_lists(form, Listing("runs", PLANNED, rows), notes=notes)


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _planned(cell: Cell, grid: Grid, left: set[str]) -> Row:
    plan = cell.plan
    own = [shard.name for shard in grid.shards if shard.cell == cell]
    return {
        "run": cell.name,
        "presets": [spec.name for spec in plan.specs],
        "fixtures": len(plan.fixtures),
        "repeats": plan.repeats,
        "trials": len(plan.trials),
        "shards": len(own),
        "done": len(own) - len(left.intersection(own)),
        "turns": plan.turns_per_preset,
        "bounded": [f"p{100 * p:g}" for p, (have, need) in plan.bounds().items() if have >= need],
    }


def _report(folder: SweepFolder, form: Format) -> int:
    """Prints the table; returns the number of trials that failed."""
    from bench.store.records import FAILED
    from bench.store.store import read_trials
    from bench.sweep.figures import rows

    found = tuple(rows(folder))
    machines = {row["machine"] for row in found}
    notes = [f"A run's table: duplex-lab show {folder.path}/RUN"]
    if len(machines) > 1:
        notes.append("Runs of two machines are never pooled: a line is of one machine.")
    if form is Format.table:
        console().line()
    print_lists(form, Listing("runs", FIGURES, found), notes=notes)
    trials = (trial for run in folder.runs() for trial in read_trials(run.path))
    return sum(trial.status in FAILED for trial in trials if not trial.warmup)


def _p50(row: Row) -> str:
    from bench.stats.format import with_interval
    from bench.stats.quantiles import Estimate

    return with_interval(Estimate(row["p50_ms"], row["n"], row["p50_low_ms"], row["p50_high_ms"]))


def _ms(value: float | None) -> str:
    from bench.stats.format import number

    return number(value)
