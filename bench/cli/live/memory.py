"""``duplex-lab memory``: what a server remembers of its users: list, export, keep for, forget."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bench.report.text.console import console
from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, print_lists
from pipelines.errors import LabError

app = typer.Typer(
    add_completion=False,
    help="""What a server (serve --memory FOLDER) remembers of its users.

    All of these work while the server runs. A user is named by the sub of their tokens.
    """,
)

Folder = Annotated[
    Path, typer.Option("--folder", metavar="FOLDER", help="The folder of serve --memory.")
]
User = Annotated[str, typer.Argument(metavar="USER", help="Subject (sub) of the user's tokens.")]

LISTED = (
    Column("user", "user"),
    Column("utterances", "utterances", is_figure=True),
    Column("first", "first"),
    Column("last", "last"),
    Column("days", "days", is_figure=True),
    Column("file", "file"),
)


@app.command("list")
def list_(
    folder: Folder,
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """All users of whom something is remembered."""
    from pipelines.server.memory.disk.owner import owned

    rows = tuple(asdict(one) for one in owned(folder))
    if not rows and form is Format.table:
        console().say(f"{folder}: nothing is remembered of anybody.")
        return
    print_lists(form, Listing("memory", LISTED, rows, leave=("file", "first", "days")))


@app.command()
def export(user: User, folder: Folder) -> None:
    """Print all that is remembered of a user, a JSON object a line."""
    from pipelines.server.memory.disk.owner import everything, read

    rows = read(folder, user, lambda connection: list(everything(connection)), None)
    if rows is None:
        raise LabError(f"nothing is remembered of {user!r} in {folder}.")
    for row in rows:
        typer.echo(json.dumps(row, ensure_ascii=False))


@app.command()
def keep(
    user: User,
    folder: Folder,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days; without it those of the server.")
    ] = None,
) -> None:
    """Set for how many days a user's utterances are kept."""
    from pipelines.server.memory.disk.owner import change, keep_for

    change(folder, user, lambda connection: keep_for(connection, days))
    console().say(f"{user}: {f'{days} days' if days else 'as long as the server says'}.")


@app.command()
def forget(
    user: User,
    folder: Folder,
    number: Annotated[
        int | None, typer.Option(min=1, help="Only the utterance of this number (see export).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Forget without a question.")] = False,
) -> None:
    """Forget a user, or one utterance: the rows, the index of their words, and the log."""
    from pipelines.server.memory.disk import owner

    what = f"utterance {number}" if number else "everything"
    if not yes:
        typer.confirm(f"Forget {what} of {user}?", abort=True)
    count = owner.change(folder, user, lambda connection: owner.forget(connection, number))
    if number and not count:
        raise LabError(f"{user}: there is no utterance {number}.")
    console().say(f"{user}: {count} forgotten.")
