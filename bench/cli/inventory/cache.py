"""``duplex-lab cache``: what lies in the folder for files built on this machine, and how large."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.inventory.fetch_progress import size
from bench.cli.inventory.runs import ask
from bench.report.text.console import console
from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, Row, print_lists
from pipelines.errors import LabError

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    help="""What lies in the cache folder, how large it is; remove parts of it.

    It is made again when a run needs it. DUPLEX_LAB_CACHE names another folder.
    """,
)

MODELS = "models"
KINDS: dict[str, str] = {
    "environments": "an engine's Python packages; built again by the run that needs them",
    "weights": "synthetic weights of duplex models; made again by the run that needs them",
    "synthetic": "synthetic weights of cascades' engines; made again by the run that needs them",
    MODELS: "fetched models; remove them by duplex-lab models remove",
    "installed": "links to the installed packages",
}
"""Folder of the cache → what its entries are."""
STRANGE = "not of duplex-lab"

AsFormat = Annotated[Format, typer.Option("--format", help=FORMAT_HELP)]
LISTED = (
    Column("name", "name"),
    Column("size", lambda row: size(row["bytes"]), is_figure=True),
    Column("used", "used"),
)


@app.callback()
def _listed(ctx: typer.Context, form: AsFormat = Format.table) -> None:
    if ctx.invoked_subcommand is None:
        list_(form)


@app.command("list")
def list_(form: AsFormat = Format.table) -> None:
    """All that lies in it, a line each, the largest first; without a word after 'cache' too.

    used no: an engine environment of another version of its requirements.
    """
    from pipelines.cache import cache_folder
    from pipelines.models.paths import models_folder

    rows = sorted(_rows(), key=lambda row: (-row["bytes"], row["name"]))
    total = sum(row["bytes"] for row in rows)
    notes = [f"{size(total)} in {cache_folder()}"]
    if models_folder().parent != cache_folder():
        notes.append(f"Models are elsewhere: {models_folder()}")
    for kind in dict.fromkeys(row["kind"] for row in rows):
        notes.append(f"{kind}: {KINDS.get(kind, STRANGE)}")
    print_lists(form, Listing("cache", LISTED, tuple(rows)), notes=notes)


@app.command()
def remove(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", help="Names as listed, or all of a kind: environments."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Remove without a question.")] = False,
) -> None:
    """Remove what is named: it is made again when a run needs it. End runs that use it first."""
    from bench.store.removal import remove_whole
    from pipelines.cache import building

    found = {row["name"]: row for row in _rows()}
    chosen: dict[str, Row] = {}
    for name in (name.rstrip("/") for name in names):
        _refuse(name)
        of = {key: row for key, row in found.items() if name in (key, row["kind"])}
        if not of:
            raise LabError(f"{name}: there is no such thing; duplex-lab cache lists what is there.")
        chosen |= of
    total = sum(row["bytes"] for row in chosen.values())
    for name, row in chosen.items():
        console().say(f"{name}: {size(row['bytes'])}")
    ask(f"{len(chosen)} of the cache, {size(total)}", yes)
    for row in chosen.values():
        path = Path(row["path"])
        with building(path, lambda words: print(words, file=sys.stderr, flush=True)):
            if path.exists():
                remove_whole(path)
    console().say(f"{len(chosen)} removed, {size(total)} freed.")


def _refuse(name: str) -> None:
    kind = name.partition("/")[0]
    if kind == MODELS:
        raise LabError(f"{name}: models are removed by duplex-lab models remove.")
    if kind not in KINDS:
        raise LabError(
            f"{name}: only {', '.join(k for k in KINDS if k != MODELS)} are removed here; what is "
            f"{STRANGE} stays."
        )


def _rows() -> Iterator[Row]:
    """What lies in the cache: each entry of a kind; models, and what is strange, as a whole."""
    from bench.store.removal import bytes_of
    from pipelines.cache import cache_folder
    from pipelines.process import environment

    folder = cache_folder()
    current = {row.folder for row in environment.ENVIRONMENTS.values()}
    for top in _below(folder):
        split = top.is_dir() and top.name in KINDS and top.name != MODELS
        for path in _below(top) if split else (top,):
            is_old = top.name == "environments" and path not in current
            yield {
                "name": path.relative_to(folder).as_posix(),
                "kind": top.name,
                "bytes": bytes_of(path),
                "used": None if top.name != "environments" else not is_old,
                "path": str(path),
            }


def _below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
