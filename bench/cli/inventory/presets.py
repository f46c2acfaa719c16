"""``duplex-lab presets`` and ``duplex-lab list``: the pipelines, and which of them run here."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Annotated

import typer

from bench.report.text.console import console

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The pipelines that can be measured."
)
list_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Lists of presets, fixtures and engines."
)


@app.command("list")
@list_app.command("presets")
def list_presets(
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """All shipped presets: parts, files, device, licence, how tested, and which run here."""
    from bench.machine.matrix import rows, unique

    found = rows()
    if as_json:
        print(json.dumps([row.to_dict() for row in found], indent=1, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table(box=None)
    columns = ("preset", "kind", "parts", "weights", "files", "device", "licence", "tested", "here")
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for row in found:
        table.add_row(
            row.name,
            row.kind,
            unique([p.name if not p.model else f"{p.name} ({p.model})" for p in row.parts]),
            row.weights,
            row.files,
            unique([device for p in row.parts for device in p.devices]),
            unique([p.licence for p in row.parts]),
            unique([t for p in row.parts for t in p.tested.split("; ")]),
            "yes" if row.available else "no",
        )
    say = console().print
    say(table)
    say(
        "\ntested: the weights or doubles with which the tests run its parts; "
        "no hosted service was run against the real one yet."
    )
    for row in found:
        for reason in row.missing:
            say(f"{row.name}: {reason}", markup=False, soft_wrap=True)
        if row.builds and row.available:
            say(f"{row.name}: its first run builds {unique(row.builds)}", markup=False)


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
    """One preset with every option, those left at their default too."""
    from pipelines.readiness.capability import builds_first, lacks
    from pipelines.spec import load_spec

    spec = load_spec(preset)
    say = console().print
    say(f"{spec.name}: {spec.title}\n{spec.description}\n")
    for reason in lacks(spec):
        say(f"It can't run here: {reason}", markup=False)
    if first := builds_first(spec):
        say(f"Its first run builds {', '.join(first)}.", markup=False)
    for name, options in {"audio": spec.audio, **spec.stages}.items():
        say(f"\\[{name}]")
        for field in fields(options):
            say(f"{field.name} = {getattr(options, field.name)!r}", markup=False)
        say("")
