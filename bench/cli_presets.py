"""``duplex-lab presets``: which pipelines there are."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

import typer
from rich.table import Table

from bench.console import console
from pipelines.spec import load_spec, preset_names

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The pipelines that can be measured."
)


@app.command("list")
def list_() -> None:
    """All shipped presets, a line each."""
    table = Table(box=None)
    for heading in ("preset", "kind", "weights", "what it is"):
        table.add_column(heading, overflow="fold")
    for name in preset_names():
        spec = load_spec(name)
        table.add_row(name, spec.kind, spec.weights, spec.description or spec.title)
    console().print(table)


@app.command()
def show(preset: Annotated[str, typer.Argument(help="A preset's name, or a .toml file.")]) -> None:
    """One preset with every option, those left at their default too."""
    spec = load_spec(preset)
    say = console().print
    say(f"{spec.name}: {spec.title}\n{spec.description}\n")
    for name, options in {"audio": spec.audio, **spec.stages}.items():
        say(f"\\[{name}]")
        for field in fields(options):
            say(f"{field.name} = {getattr(options, field.name)!r}", markup=False)
        say("")
