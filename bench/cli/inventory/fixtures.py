"""``duplex-lab fixtures``: list, show, verify, add."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, print_lists

if TYPE_CHECKING:
    from bench.fixtures.fixture import Fixture

app = typer.Typer(help="The user audio that agents are measured on.", no_args_is_help=True)

Root = Annotated[Path | None, typer.Option(help="Folder of fixtures; by default the repository's.")]


@contextmanager
def _sentences() -> Iterator[None]:
    """Bad input gets a sentence on stderr and exit code 2."""
    from bench.fixtures.fixture import FixtureError

    try:
        yield
    except FixtureError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None


@app.command("list")
def list_fixtures(
    selector: Annotated[str, typer.Argument(help="Names, globs, tags, kinds, or all.")] = "all",
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    root: Root = None,
) -> None:
    """Lists fixtures."""
    from bench.fixtures import library as fixtures

    with _sentences():
        chosen = fixtures.select(selector, root)
    chosen = [f for f in chosen if tag is None or tag in f.tags]
    listing = Listing("fixtures", COLUMNS, tuple(_summary(f) for f in chosen))
    said = f"{len(chosen)} fixtures, {sum(f.duration_s for f in chosen):.0f} s of audio"
    print_lists(Format.json if as_json else form, listing, notes=(said,))


COLUMNS = (
    Column("name", "name"),
    Column("kind", "kind"),
    Column("turns", "turns", is_figure=True),
    Column("seconds", lambda row: f"{row['duration_s']:.1f}", is_figure=True),
    Column("tags", "tags"),
    Column("text", lambda row: " / ".join(row["text"])),
)


def _summary(fixture: Fixture) -> dict[str, Any]:
    return {
        "name": fixture.name,
        "kind": fixture.kind,
        "tags": list(fixture.tags),
        "labels": fixture.labels,
        "variant": fixture.variant,
        "base": fixture.base,
        "turns": len(fixture.turns),
        "duration_s": round(fixture.duration_s, 3),
        "text": [turn.text for turn in fixture.turns],
        "sha256": fixture.sha256,
    }


@app.command()
def show(name: Annotated[str, typer.Argument()], root: Root = None) -> None:
    """Shows one fixture: its file, with times in seconds below."""
    from bench.fixtures import library as fixtures

    with _sentences():
        chosen = fixtures.select(name, root)
    for fixture in chosen:
        print(fixture.path.read_text(encoding="utf-8"))
        for turn in fixture.turns:
            on, off = (s / turn.rate_hz for s in (turn.u_on_sample, turn.u_off_sample))
            print(f"# {turn.wav.name}: audible {on:.4f}–{off:.4f} s of {turn.duration_s:.4f} s")
            for word in turn.words:
                start, end = word.start / turn.rate_hz, word.end / turn.rate_hz
                print(f"#   {start:7.3f}  {end:7.3f}  {word.word}")


@app.command()
def verify(
    selector: Annotated[str, typer.Argument(help="Names, globs, tags, kinds, or all.")] = "all",
    root: Root = None,
) -> None:
    """Checks checksums, forms and labels; exit code 1 if there are problems."""
    from bench.fixtures import library as fixtures
    from bench.fixtures.fixture import FixtureError

    with _sentences():
        if selector == "all":  # one that can't be loaded does not hide the others
            paths = fixtures.fixture_paths(root)
        else:
            paths = [f.path for f in fixtures.select(selector, root)]
        if not paths:
            raise FixtureError("no fixtures are found; see --root, or make fixtures.")
    problems = fixtures.verify_all(paths)
    for problem in problems:
        print(f"{problem.fixture}: {problem.text}", file=sys.stderr)
    print(f"{len(paths)} fixtures checked, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


@app.command()
def add(
    file: Annotated[
        Path, typer.Argument(help="WAV, FLAC, OGG or MP3, any rate; M4A or WebM by PyAV.")
    ],
    text: Annotated[
        str, typer.Option(help="What is said in it; with --split each turn's, with | between.")
    ],
    name: Annotated[str | None, typer.Option(help="By default the file's.")] = None,
    channel: Annotated[str | None, typer.Option(help="left, right or mix: for stereo.")] = None,
    kind: Annotated[str, typer.Option(help="What kind of turn it is.")] = "other",
    licence: Annotated[str, typer.Option(help="Licence of the recording.")] = "unstated",
    split: Annotated[
        bool, typer.Option("--split", help="A turn for each part between pauses of over 2 s.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Replace a fixture of this name.")] = False,
    root: Root = None,
) -> None:
    """Imports a recording; labels are proposed by a VAD and can be edited in the TOML."""
    from bench.fixtures import importer as fixture_import
    from bench.fixtures.proposed_doubts import doubts

    with _sentences():
        fixture = fixture_import.add(
            file, text, name=name, channel=channel, kind=kind, licence=licence, split=split,
            force=force, root=root,
        )  # fmt: skip
    print(f"{fixture.path}: {fixture.duration_s:.2f} s; labels proposed by VAD, please check:")
    for turn in fixture.turns:
        if len(fixture.turns) > 1:
            print(f"  {turn.wav.name}: {turn.text}")
        for part in turn.speech:
            start, end = part.audible_start / turn.rate_hz, part.audible_end / turn.rate_hz
            print(f"  speech {start:.3f}–{end:.3f} s")
        for doubt in doubts(turn):
            print(f"warning: {turn.wav.name}: {doubt}.", file=sys.stderr)
