"""``duplex-lab engines`` and ``duplex-lab weights``: what is built on this machine, and where."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import console
from pipelines.weights.sizes import LM_NAMES, MIMI_BYTES, SIZES, lm_bytes

if TYPE_CHECKING:
    from rich.table import Table

    from pipelines.duplex.session.row import AdapterRow
    from pipelines.engines.row import EngineRow

engines = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Engines, and environments of those whose packages clash with Pipecat's.",
)
weights_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Synthetic weights of duplex models."
)


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


@engines.command("list")
def list_engines() -> None:
    """All engine environments, then all engines and duplex adapters, a line each."""
    from rich.table import Table

    from pipelines.process import environment

    table = Table(box=None)
    for heading in ("environment", "built", "size", "what it is"):
        table.add_column(heading, overflow="fold")
    for row in environment.ENVIRONMENTS.values():
        python = environment.find(row.name)
        built = "no" if python is None else "yes" if python == str(row.python) else "your own"
        size = row.size if python != str(row.python) else _size(_bytes_of(row.folder))
        table.add_row(row.name, built, size, row.what)
    console().print(table)
    console().print(
        "A preset that needs one builds it. A Python of your own: DUPLEX_LAB_NAME_PYTHON=/path, "
        "as in DUPLEX_LAB_MOSHI_MLX_PYTHON.\n"
    )
    console().print(_of_presets())


def _of_presets() -> Table:
    """What a preset may name: engines of a cascade's stages, adapters of duplex models."""
    from rich.table import Table

    from pipelines.duplex import adapters as duplex
    from pipelines.engines import adapters as cascade

    table = Table(box=None)
    for heading in ("stage", "engine", "environment", "device", "licence", "tested", "what it is"):
        table.add_column(heading, overflow="fold")
    rows: list[tuple[str, EngineRow | AdapterRow]] = [(r.stage, r) for r in cascade.all_rows()]
    rows += [("duplex", row) for row in duplex.all_rows()]
    for stage, row in rows:
        where, devices = row.environment or "–", ", ".join(row.devices)
        table.add_row(stage, row.name, where, devices, row.licence, row.tested, row.what)
    return table


@engines.command()
def build(
    name: Annotated[str, typer.Argument(help="An environment's name, as 'engines list' shows it.")],
) -> None:
    """Builds an engine environment where it is missing or broken; prints its interpreter."""
    from pipelines.process import environment

    print(environment.ensure(name, _tell, verify=True))


@weights_app.command("list")
def list_weights() -> None:
    """All sizes, and the precisions of each that are made."""
    from rich.table import Table

    from pipelines.duplex.moshi.weights import files as weights

    table = Table(box=None)
    for heading in ("size", "temporal", "all", "made", "could be made"):
        table.add_column(heading, overflow="fold")
    for size in SIZES.values():
        folder = weights.folder_of(size.name)
        made, missing = [], []
        for precision in (p for p in size.precisions if p != "f32"):
            path = folder / LM_NAMES[precision]
            if path.exists():
                made.append(f"{precision} ({_size(path.stat().st_size)})")
            else:
                missing.append(f"{precision} ({_size(lm_bytes(size.parameters, precision))})")
        table.add_row(
            size.name,
            f"{size.temporal_parameters / 1e6:.0f} M",
            f"{size.parameters / 1e6:.0f} M",
            ", ".join(made) or "none",
            ", ".join(missing),
        )
    console().print(table)
    console().print(
        f"f32 is computed from bf16's file. Each size needs the codec too "
        f"({_size(MIMI_BYTES)}, shared). Kept in {weights.folder_of('tiny').parent}"
    )


@weights_app.command()
def make(
    size: Annotated[str, typer.Argument(help=f"One of {', '.join(SIZES)}.")],
    precision: Annotated[str, typer.Option(help="f32, bf16, q8 or q4; 7b: only q4.")] = "",
) -> None:
    """Makes synthetic weights where they are missing; prints their folder."""
    from pipelines.duplex.moshi.weights import files as weights

    known = SIZES.get(size)
    default = "bf16" if known is None or "bf16" in known.precisions else known.precisions[0]
    found = weights.ensure(size, precision or default, _tell)
    print(found.lm.parent)


def _bytes_of(folder: Path) -> int:
    return sum(f.lstat().st_size for f in folder.rglob("*") if not f.is_dir())


def _size(n: float) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.0f} MB"
