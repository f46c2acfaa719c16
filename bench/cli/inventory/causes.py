"""``duplex-lab causes``: the known causes of lost time, and one of them in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import console
from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, Row, print_lists
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.causes.cause import Cause

COLUMNS = (
    Column("cause", "name"),
    Column("what happened", "short"),
    Column("the time is lost", "of"),
)
KEYS = ("name", "short", "sentence", "mend", "shown_by", "versions", "source")


def causes(
    name: Annotated[str, typer.Argument(help="A cause, to read all of it.")] = "",
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """All known causes of a slow answer, as 'show' names them; or one with its mend and source."""
    from bench.causes.table import BY_NAME, CAUSES
    from bench.report.text.causes import OF

    if name and name not in BY_NAME:
        raise LabError(f"{name}: there is no such cause; there are {', '.join(BY_NAME)}.")
    chosen = (BY_NAME[name],) if name else CAUSES
    if not name or form is not Format.table:
        print_lists(form, Listing("causes", COLUMNS, tuple(map(_row, chosen))))
        return
    out = console()
    for cause in chosen:
        out.say(f"{cause.name}: {cause.short} ({OF[cause.loses]})")
        out.say(cause.sentence)
        out.say(f"Mend: {cause.mend}")
        out.say(f"Shown by: {cause.shown_by}.")
        out.say(f"Seen in: {cause.versions}. Source: {cause.source}")


def _row(cause: Cause) -> Row:
    from bench.report.text.causes import OF

    return {**{key: getattr(cause, key) for key in KEYS}, "of": OF[cause.loses]}
