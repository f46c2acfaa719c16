"""``duplex-lab lines``: the protocols by which agents elsewhere are reached, with their options."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.report.text.console import console
from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, print_lists
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.lines.line import LineRow

LINES = (Column("line", "line"), Column("what it is", "what"), Column("dialled", "is_dialled"))
OPTIONS = (Column("option", "option"), Column("default", "default"))


def lines(
    name: Annotated[
        str, typer.Argument(help="A line: its options and their defaults.", show_default="all")
    ] = "",
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """List the lines: the protocols by which the caller reaches an agent."""
    from bench.lines import table

    if name:
        _options(name, form)
        return
    rows = tuple(
        {
            "line": row.name,
            "what": row.what + (f": {row.refusal}" if row.refusal and form != "table" else ""),
            "is_dialled": not row.refusal and row.connects == "caller",
        }
        for row in table.rows().values()
    )
    notes = ["Options of one, or why it can't be dialled: duplex-lab lines NAME."]
    print_lists(form, Listing("lines", LINES, rows, leave=("dialled",)), notes=notes)


def _options(name: str, form: Format) -> None:
    from bench.lines import table

    if name not in table.rows():
        raise LabError(f"There is no line {name!r}; known: {', '.join(table.rows())}.")
    row = table.rows()[name]
    if row.refusal:
        console().say(f"The line {name} {row.refusal}.")
        return
    if row.connects == "agent":
        console().say(f"The line {name} is the lab's own: its presets and bots are reached by it.")
        return
    notes = ["They are keys of [agent.options] in a preset with architecture = 'remote'."]
    print_lists(form, Listing("options", OPTIONS, _rows(row)), notes=notes)


def _rows(row: LineRow) -> tuple[dict[str, Any], ...]:
    options = row.options()
    return tuple(
        {"option": part.name, "default": getattr(options, part.name)}
        for part in dataclasses.fields(row.options)
    )
