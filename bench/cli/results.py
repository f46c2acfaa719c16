"""``duplex-lab show`` and ``metrics``: a finished run, read again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.report.text.console import console
from bench.report.text.escape import visible
from pipelines.errors import LabError


def show(
    what: Annotated[
        str, typer.Argument(metavar="RUN[/TRIAL]", help="A run's folder, or one trial in it.")
    ],
) -> None:
    """Print a run's table and its trials; or one trial's timeline: what was said, heard, when."""
    from bench.store import store

    path = Path(what)
    if path.is_dir():
        from bench.report.text.first_token import first_token_blocks, first_tokens
        from bench.report.text.table import print_block, print_table, terminal
        from bench.summary.summary import summarise

        run = store.read_run(path)
        rows = store.read_metrics(path)
        print_table(summarise(run, rows))
        for block in first_token_blocks(first_tokens(rows)):
            print_block(block, terminal())
        say = console().print
        say("\ntrials")
        for trial in run.trials:
            note = f": {trial.error}" if trial.error else ""
            line = visible(f"{trial.trial_id}  {trial.status}{note}")
            say(f"  {line}", soft_wrap=True, markup=False)
        return
    if not (path.parent / "run.json").is_file():
        raise LabError(f"{what}: there is no such run; name a run's folder, or FOLDER/TRIAL.")
    from bench.report.text.trial import show as timeline

    console().print(timeline(store.read_run(path.parent), path.name), markup=False, soft_wrap=True)


def metrics(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
) -> None:
    """Compute all metrics again from the marks and recordings on disk; print the table.

    Exit codes: 0 done; 1 done, but a recording does not match its marks (it is named); 2 bad input.
    """
    from bench.metrics.recompute import analyse_again
    from bench.report.text.table import print_table
    from bench.summary.summary import summarise
    from bench.timeline.agreement import mismatches

    found, rows = analyse_again(run)
    print_table(summarise(found, rows))
    wrong = list(mismatches(found))
    for trial_id, why in wrong:
        said = visible(f"{trial_id}: its recording does not match its marks: {why}")
        typer.echo(f"duplex-lab: {said}; its figures can't be trusted.", err=True)
    if wrong:
        raise typer.Exit(1)
