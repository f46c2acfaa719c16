"""``duplex-lab models``: list, fetch, verify, status, remove, pin."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.inventory.fetch_progress import fetching, size
from bench.cli.inventory.model_rows import places, row_of
from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, print_lists
from pipelines.errors import LabError

if TYPE_CHECKING:
    from pipelines.models.catalogue import Catalogue
    from pipelines.models.manifest import Manifest

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="""Model files: which there are, fetch them, verify them, remove them.

    An id is name@variant (moshiko-mlx@q4), name@sha256:HASH, or a name that has one variant.
    Nothing but 'fetch' and 'pin' downloads: a run whose models are missing stops before its first
    trial.
    """,
)

Ids = Annotated[list[str], typer.Argument(help="name@variant, name@sha256:HASH, or a name.")]
SomeIds = Annotated[
    list[str] | None, typer.Argument(help="Ids; by default all that are on this machine.")
]
Extra = Annotated[
    list[Path] | None,
    typer.Option("--manifest", help="A manifest of your own (TOML); may be given again."),
]
AsJson = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
AsFormat = Annotated[Format, typer.Option("--format", help=FORMAT_HELP)]
EXIT_PROBLEMS = 1
LISTED = (
    Column("model", "id"),
    Column("here", "here"),
    Column("size", "size", is_figure=True),
    Column("memory", "memory"),
    Column("licence", lambda row: row["licence"] + (" (gated)" if row["gated"] else "")),
    Column("bytes", "trust"),
    Column("what it is", "title"),
)
PRESENT = (
    Column("model", "id"),
    Column("here", "here"),
    Column("size", "size", is_figure=True),
    Column("bytes", "trust"),
    Column("where", "folder"),
)


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


@app.command("list")
def list_(form: AsFormat = Format.table, as_json: AsJson = False, manifest: Extra = None) -> None:
    """All models that have a manifest, a line each.

    pinned: the manifest says every file's SHA-256. trusted: it does not, and all later
    fetches are compared with the first one. unpinned: it does not, and nothing was fetched yet.
    """
    from pipelines.models.catalogue import load_catalogue
    from pipelines.models.find import fetch_line
    from pipelines.models.paths import models_folder

    rows = [row_of(m) for m in load_catalogue(manifest or ()).models.values()]
    listing = Listing(
        "models", LISTED, tuple(row.to_dict() for row in rows), leave=("what it is", "memory")
    )
    note = f"Fetch one: {fetch_line(['NAME@VARIANT'])}. Kept in {models_folder()}"
    print_lists(Format.json if as_json else form, listing, notes=(note,))


@app.command()
def fetch(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids, as 'models list' shows them.")
    ] = None,
    preset: Annotated[
        list[str] | None, typer.Option(help="Fetch the models of a preset; may be given again.")
    ] = None,
    update: Annotated[
        bool,
        typer.Option("--update", help="Trust the present files of an unpinned model's source."),
    ] = False,
    manifest: Extra = None,
) -> None:
    """Fetch models: resumed where a fetch broke off, checked, then there as a whole.

    Prints each model's path. Gated models need an account that has accepted their conditions: 'hf
    auth login', or the environment variable HF_TOKEN. HF_ENDPOINT names a mirror.

    Exit codes: 0 all are there; 2 one could not be fetched (the others were).
    """
    from pipelines.models.catalogue import load_catalogue
    from pipelines.models.find import manifest_of
    from pipelines.models.ids import parse_id
    from pipelines.models.needed import needed_by
    from pipelines.spec import load_spec

    catalogue = load_catalogue(manifest or ())
    wanted = [(text, catalogue.find(text)) for text in ids or []]
    for name in preset or []:
        for need in needed_by(load_spec(name)):
            if (found := manifest_of(need.wanted)) is not None:
                wanted.append((found.id, found))
    if not wanted and not preset:
        raise LabError("Name a model, or --preset NAME: 'duplex-lab models list' shows them.")
    with _one_by_one() as attempt:
        for text, model in wanted:
            with attempt():
                _fetch_one(model, parse_id(text).sha256, update)


def _fetch_one(model: Manifest, sha256: str, update: bool) -> None:
    from pipelines.models.fetching.fetch import fetch as fetch_model
    from pipelines.models.state import path_of, state_of

    if model.source.fetched and state_of(model).word != "there":
        _tell(f"{model.id}: {model.title}, {model.licence}, from {model.source.text}")
    with fetching() as watch:
        fetch_model(model, sha256=sha256, update=update, tell=_tell, watch=watch)
    folder = state_of(model).folder
    if folder is not None:
        print(path_of(model, folder))


@app.command()
def verify(ids: SomeIds = None, manifest: Extra = None) -> None:
    """Read every byte again and compare it with its SHA-256; exit code 1 if one is damaged."""
    from pipelines.models.catalogue import load_catalogue
    from pipelines.models.fetching.keep import verify as verify_model

    catalogue = load_catalogue(manifest or ())
    chosen = [catalogue.find(i) for i in ids] if ids else _here(catalogue)
    problems = 0
    for model in chosen:
        told = verify_model(model, lambda path, *_, of=model.id: _tell(f"verifying {of}: {path}"))
        problems += len(told)
        for text in told:
            print(text, file=sys.stderr)
    print(f"{len(chosen)} models verified, {problems} damaged files")
    if problems:
        raise typer.Exit(EXIT_PROBLEMS)


@app.command()
def status(
    ids: SomeIds = None,
    form: AsFormat = Format.table,
    as_json: AsJson = False,
    manifest: Extra = None,
) -> None:
    """What is on this machine, where it lies, what is half fetched, and how a fetch would go."""
    from pipelines.models.catalogue import load_catalogue

    catalogue = load_catalogue(manifest or ())
    chosen = [catalogue.find(i) for i in ids] if ids else _here(catalogue, partial=True)
    rows = [row_of(model) for model in chosen]
    if as_json or form is Format.json:
        table: dict[str, Any] = {**places(), "models": [row.to_dict() for row in rows]}
        print(json.dumps(table, indent=1, ensure_ascii=False))
        return
    listing = Listing("models", PRESENT, tuple(row.to_dict() for row in rows))
    faults = [f"{row.id}: {row.why}" for row in rows if row.why]
    where = [f"{name}: {value}" for name, value in places().items()]
    print_lists(form, listing, notes=(*faults, *where))


@app.command()
def remove(
    ids: Ids,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Also discard the SHA-256 of the fetched files."),
    ] = False,
    manifest: Extra = None,
) -> None:
    """Remove models' files, half-fetched ones too; a later fetch is still compared with them."""
    from pipelines.models.fetching.keep import remove as remove_model

    def removed(model: Manifest) -> str:
        freed = remove_model(model, forget=forget, tell=_tell)
        return f"{model.id} removed: {size(freed)} freed"

    _print_each(ids, manifest, removed)


@app.command()
def pin(
    ids: Ids,
    write: Annotated[
        bool, typer.Option("--write", help="Write into the manifest's file, and don't print.")
    ] = False,
    manifest: Extra = None,
) -> None:
    """Print manifests with commit, sizes and SHA-256 filled in, from the fetch or from the hub."""
    from pipelines.models.fetching.pin import pinned, write_pinned

    _print_each(ids, manifest, write_pinned if write else pinned)


def _print_each(
    ids: Sequence[str], manifest: Sequence[Path] | None, act: Callable[[Manifest], object]
) -> None:
    """Prints what is done to each of the models that ids name, all of which must be known."""
    from pipelines.models.catalogue import load_catalogue

    catalogue = load_catalogue(manifest or ())
    chosen = [catalogue.find(i) for i in ids]
    with _one_by_one() as attempt:
        for model in chosen:
            with attempt():
                print(act(model))


@app.command()
def path(wanted: Annotated[str, typer.Argument(help="An id, or a path.")]) -> None:
    """Print the path of a model, as a preset's option would find it."""
    from pipelines.models.find import resolve

    print(resolve(wanted))


def _here(catalogue: Catalogue, partial: bool = False) -> list[Manifest]:
    from pipelines.models.state import state_of

    words = {"there", "damaged", *(("partial",) if partial else ())}
    return [m for m in catalogue.models.values() if state_of(m).word in words]


@contextmanager
def _one_by_one() -> Iterator[Any]:
    """Goes on with the next after an error; raises the last one, for the exit code."""
    failed: list[LabError] = []

    @contextmanager
    def attempt() -> Iterator[None]:
        try:
            yield
        except LabError as error:
            failed.append(error)

    yield attempt
    for error in failed[:-1]:
        _tell(f"duplex-lab: {error}")
    if failed:
        raise failed[-1]
