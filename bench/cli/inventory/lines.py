"""``duplex-lab lines``: the protocols by which agents elsewhere are reached, with their options."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from bench.lines import table
from bench.report.text.escape import visible
from pipelines.errors import LabError


def lines(
    name: Annotated[
        str, typer.Argument(help="A line: its options and their defaults.", show_default="all")
    ] = "",
) -> None:
    """List the lines: how the caller reaches an agent that runs elsewhere.

    Example: duplex-lab run --agent ws://127.0.0.1:7860/ws-client --line pipecat
    """
    if not name:
        for row in table.rows().values():
            note = "  (can't be spoken: duplex-lab lines NAME says why)" if row.refusal else ""
            typer.echo(f"{row.name:17} {row.what}{note}")
        typer.echo("\nOptions of one: duplex-lab lines NAME. Its error: calibrate --line NAME.")
        return
    if name not in table.rows():
        raise LabError(f"there is no line {visible(name)!r}; known: {', '.join(table.rows())}.")
    row = table.rows()[name]
    typer.echo(f"{row.name}: {row.what}")
    if row.refusal:
        typer.echo(f"It {row.refusal}.")
        return
    if row.connects == "agent":
        typer.echo("The lab's own: every preset of this machine is reached by it.")
        return
    typer.echo("[agent.options] of a preset:")
    for part in dataclasses.fields(row.options):
        default = getattr(row.options(), part.name)
        typer.echo(f"  {part.name} = {default!r}")
