"""``duplex-lab presets`` and ``duplex-lab list``: the pipelines, and which of them run here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from bench.report.text.console import console
from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, Row, print_lists

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The pipelines that can be measured."
)
list_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Lists of presets, fixtures and engines."
)


COLUMNS = (
    Column("preset", "name"),
    Column("kind", "kind"),
    Column("modalities", lambda row: _unique(row["modalities"])),
    Column("weights", "weights"),
    Column("here", "available"),
    Column("files", "files"),
    Column("parts", lambda row: _unique(map(_part, row["parts"]))),
    Column("can", lambda row: _unique(c for part in row["parts"] for c in part["capabilities"])),
    Column("device", lambda row: _unique(d for part in row["parts"] for d in part["devices"])),
    Column("licence", lambda row: _unique(part["licence"] for part in row["parts"])),
    Column("tested", lambda row: _unique(t for p in row["parts"] for t in p["tested"].split("; "))),
    Column("why not, or what its first run builds", lambda row: _remark(row)),
)
NOTES = (
    "here: yes, no; 'presets show NAME' says why not. tested: the weights or doubles with which "
    "the tests run its parts; no hosted service was run against the real one yet.",
)


@app.command("list")
@list_app.command("presets")
def list_presets(
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """All shipped presets, a line each: parts, files, device, licence, and which run here."""
    from bench.machine.matrix import rows

    listing = Listing("presets", COLUMNS, tuple(row.to_dict() for row in rows()))
    print_lists(Format.json if as_json else form, listing, notes=NOTES)


def _part(part: Row) -> str:
    return f"{part['name']} ({part['model']})" if part["model"] else str(part["name"])


def _remark(row: Row) -> str:
    if row["missing"]:
        return " ".join(row["missing"])
    return f"builds {_unique(row['builds'])}" if row["builds"] else "–"


def _unique(texts: Iterable[str]) -> str:
    """Texts joined by commas, each once, in order."""
    return ", ".join(dict.fromkeys(text for text in texts if text))


@list_app.command("fixtures")
def list_fixtures() -> None:
    """All fixtures, as 'duplex-lab fixtures list' shows them."""
    _run("bench.cli.inventory.fixtures:app", "list")


@list_app.command("engines")
def list_engines() -> None:
    """All engine environments, as 'duplex-lab engines list' shows them."""
    _run("bench.cli.inventory.engines:engines", "list")


def _run(path: str, command: str) -> None:
    """Another group's command with its defaults."""
    from pipelines.registry import load_object

    typer.main.get_command(load_object(path)).main([command], standalone_mode=False)


@app.command()
def show(preset: Annotated[str, typer.Argument(help="A preset's name, or a .toml file.")]) -> None:
    """Print one preset as a whole TOML file: save it, change it, run it.

    Every option is in it, those left at their default too.
    """
    from bench.cli.inventory.preset_text import preset_text
    from pipelines.readiness.capability import builds_first, lacks
    from pipelines.spec import load_spec

    spec = load_spec(preset)
    out = console()
    for reason in lacks(spec):
        out.line(f"# It can't run here: {reason}")
    if first := builds_first(spec):
        out.line(f"# Its first run builds {', '.join(first)}.")
    for line in preset_text(spec).splitlines():
        out.line(line)
