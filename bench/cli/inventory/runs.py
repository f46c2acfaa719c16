"""``duplex-lab runs``: the runs of a folder: list, note, remove, prune, and pack one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.inventory.fetch_progress import size
from bench.report.text.console import console
from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, print_lists
from bench.store.results import RESULTS, find_run, forget_latest
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.view.library import Entry

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    help="""The runs below results/: list them, note, remove, prune, pack one.

    Where a command takes a RUN, its folder, its name in results/ or 'latest' can stand.
    """,
)

NOTE = "note.txt"
"""File of a run that holds its note."""
SAMPLE = "sample"
"""Run that ships with duplex-lab."""
KEPT = "kept.jsonl"
"""File beside the runs that names those that scripts/gate.py compares with."""

AsFormat = Annotated[Format, typer.Option("--format", help=FORMAT_HELP)]
Root = Annotated[Path, typer.Option("--root", help="The folder that holds the runs.")]
Yes = Annotated[bool, typer.Option("--yes", help="Remove without a question.")]

LISTED = (
    Column("run", "run"),
    Column("presets", "presets"),
    Column("trials", "trials", is_figure=True),
    Column("failed", "failed", is_figure=True),
    Column("valid turns", lambda row: _of(row["valid"], row["turns"]), is_figure=True),
    Column("size", lambda row: size(row["bytes"]), is_figure=True),
    Column("state", "state"),
    Column("note", "note"),
)


@app.callback()
def _listed(ctx: typer.Context, root: Root = RESULTS, form: AsFormat = Format.table) -> None:
    if ctx.invoked_subcommand is None:
        list_(root, form)


@app.command("list")
def list_(root: Root = RESULTS, form: AsFormat = Format.table) -> None:
    """All runs, the newest first; without a word after 'runs' too. Warm-ups are not counted."""
    rows = tuple(_row(root / entry.name, entry) for entry in _entries(root))
    if not rows and form is Format.table:
        console().say(f"{root} holds no run: begin one (duplex-lab run).")
        return
    print_lists(form, Listing("runs", LISTED, rows, leave=("state", "valid turns", "presets")))


@app.command()
def note(
    run: Annotated[Path, typer.Argument(help="The run.")],
    text: Annotated[str, typer.Argument(help='What to remember; "" removes the note.')],
) -> None:
    """Write a note on a run: the list shows it, and 'prune' leaves the run alone."""
    from bench.store.atomic import atomic_write, explained
    from pipelines.guards.texts import whole

    folder = _run_folder(run)
    said = " ".join(whole(text).split())
    if said:
        atomic_write(folder / NOTE, f"{said}\n".encode())
    else:
        with explained(folder / NOTE):
            (folder / NOTE).unlink(missing_ok=True)


@app.command()
def remove(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="The runs.")],
    yes: Yes = False,
) -> None:
    """Remove runs. Never the sample that ships, nor a run that goes on."""
    folders = list(dict.fromkeys(_run_folder(run) for run in runs))
    for folder in folders:
        if _is_sample(folder):
            raise LabError(f"{folder}: the sample belongs to duplex-lab and stays.")
    _remove(folders, yes)


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=0, help="Number of newest runs that stay.")],
    root: Root = RESULTS,
    yes: Yes = False,
) -> None:
    """Remove all runs but the newest.

    What stays in any case: the sample, runs with a note, runs that go on or can't be read, and
    those that scripts/gate.py compares with. Name such a run to 'remove' it.
    """
    entries = [one for one in _entries(root) if not _is_sample(root / one.name)]
    gates = _kept(root)
    going = [
        root / entry.name
        for entry in entries[keep:]
        if entry.state in ("done", "unfinished")
        and entry.name not in gates
        and not _note(root / entry.name)
    ]
    if not going:
        console().say(f"{root}: nothing to remove.")
        return
    _remove(going, yes)


@app.command()
def pack(
    run: Annotated[Path, typer.Argument(help="The run.")],
    out: Annotated[
        Path | None,
        typer.Option(help="A new file, .zip or .tar.gz; default: RUN.zip in this folder."),
    ] = None,
) -> None:
    """Pack a run into one file for a colleague, who unpacks it and opens its folder."""
    from bench.store.pack import pack as write
    from bench.view.library import is_live

    folder = _run_folder(run)
    if is_live(folder):
        raise LabError(f"{folder}: the run goes on; pack it when it has ended.")
    target = out or Path(f"{folder.resolve().name}.zip")
    written = write(folder, target)
    console().say(f"{target}: {size(written)}; unpacked, its folder is a run for every command.")


def _entries(root: Path) -> list[Entry]:
    from bench.view.library import Library

    if not root.is_dir():
        if root == RESULTS:
            return []
        raise LabError(f"{root}: there is no such folder; name the one that holds the runs.")
    return Library(root).entries()


def _row(folder: Path, entry: Entry) -> dict[str, Any]:
    from bench.store.atomic import StoreError
    from bench.store.figures import read_figures
    from bench.store.records import FAILED
    from bench.store.removal import bytes_of
    from bench.store.store import read_trials
    from bench.view.library import STATES

    row: dict[str, Any] = {
        "run": entry.name,
        "started_utc": entry.started_utc or None,
        "presets": [line.preset for line in entry.presets],
        "trials": None,
        "failed": None,
        "valid": None,
        "turns": None,
        "bytes": bytes_of(folder),
        "state": STATES[entry.state],
        "note": _note(folder),
    }
    if entry.state == "damaged":
        return row
    try:
        trials = [trial for trial in read_trials(folder) if not trial.warmup]
        row |= {"trials": len(trials), "failed": sum(t.status in FAILED for t in trials)}
        if (folder / "metrics.parquet").exists():
            of = read_figures(folder, "voice_to_voice")
            valid = [good for good, warm in zip(of.valid, of.warmup, strict=True) if not warm]
            row |= {"valid": sum(valid), "turns": len(valid)}
    except StoreError:  # it changed since it was listed
        row["state"] = STATES["damaged"]
    return row


def _of(part: int | None, whole: int | None) -> str:
    return "–" if part is None else f"{part} of {whole}"


def _note(folder: Path) -> str | None:
    try:
        return (folder / NOTE).read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def _run_folder(named: Path) -> Path:
    """The folder of a run that is named."""
    from bench.view.library import is_run

    folder = find_run(named)
    if not is_run(folder):
        raise LabError(f"{named}: there is no such run; duplex-lab runs lists those in {RESULTS}.")
    return folder


def _is_sample(folder: Path) -> bool:
    own = folder.resolve()
    return own.name == SAMPLE and own.parent.name == RESULTS.name


def _kept(root: Path) -> set[str]:
    """Names of the runs that scripts/gate.py compares with."""
    try:
        lines = (root / KEPT).read_text(encoding="utf-8").splitlines()
        return {str(json.loads(line)["run"]) for line in lines}
    except OSError:
        return set()
    except (ValueError, KeyError, TypeError):
        raise LabError(f"{root / KEPT}: the file is damaged; mend or remove it.") from None


def _remove(folders: Sequence[Path], yes: bool) -> None:
    """Says what goes and how large it is; removes it if that is wanted."""
    from bench.store.lock import RunLock
    from bench.store.removal import bytes_of, remove_whole

    sizes = {folder: bytes_of(folder) for folder in folders}
    for folder, n in sizes.items():
        told = _note(folder)
        console().say(f"{folder}: {size(n)}{f' ({told})' if told else ''}")
    count = "1 run" if len(folders) == 1 else f"{len(folders)} runs"
    ask(f"{count}, {size(sum(sizes.values()))}", yes)
    for folder in folders:
        with RunLock(folder):  # a run that goes on refuses
            forget_latest(folder)
            remove_whole(folder)
    console().say(f"{count} removed, {size(sum(sizes.values()))} freed.")


def ask(what: str, yes: bool) -> None:
    """Goes on if a person agrees that something goes.

    Raises:
        LabError: nobody is there to be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise LabError(f"{what}: nothing was removed; say --yes to remove.")
    typer.confirm(f"Remove {what}?", abort=True)
