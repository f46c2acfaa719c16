"""``duplex-lab engines`` and ``duplex-lab weights``: what is built on this machine, and where."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, Row, print_lists
from pipelines.weights.sizes import SIZES

if TYPE_CHECKING:
    from pipelines.duplex.session.row import AdapterRow
    from pipelines.engines.row import EngineRow
    from pipelines.process import environment

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


ENVIRONMENTS = (
    Column("environment", "environment"),
    Column("built", "built"),
    Column("size", "size"),
    Column("what it is", "what"),
)
ENGINES = (
    Column("stage", "stage"),
    Column("engine", "engine"),
    Column("environment", "environment"),
    Column("built", "built"),
    Column("device", "devices"),
    Column("licence", "licence"),
    Column("what it is", "what"),
    Column("tested", "tested"),
)
OWN_PYTHON = (
    "A preset that needs an environment builds it. A Python of your own: "
    "DUPLEX_LAB_NAME_PYTHON=/path, as in DUPLEX_LAB_MOSHI_MLX_PYTHON."
)


@engines.command("list")
def list_engines(
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """All engine environments, then all engines and duplex adapters, a line each."""
    from pipelines.process import environment

    environments = [_environment(row) for row in environment.ENVIRONMENTS.values()]
    built = {row["environment"]: row["built"] for row in environments}
    print_lists(
        form,
        Listing("environments", ENVIRONMENTS, tuple(environments)),
        Listing("engines", ENGINES, tuple(_engines(built))),
        notes=(OWN_PYTHON,),
    )


def _environment(row: environment.Environment) -> Row:
    from pipelines.process import environment

    python = environment.find(row.name)
    is_own = python is not None and python != str(row.python)
    return {
        "environment": row.name,
        "built": "no" if python is None else "your own" if is_own else "yes",
        "size": _size(_bytes_of(row.folder)) if python == str(row.python) else row.size,
        "what": row.what,
    }


def _engines(built: Mapping[str, Any]) -> Iterator[Row]:
    """What a preset may name: engines of a cascade's stages, adapters of duplex models."""
    from pipelines.duplex import adapters as duplex
    from pipelines.engines import adapters as cascade

    rows: list[tuple[str, EngineRow | AdapterRow]] = [(r.stage, r) for r in cascade.all_rows()]
    rows += [("duplex", row) for row in duplex.all_rows()]
    for stage, row in rows:
        yield {
            "stage": stage,
            "engine": row.name,
            "environment": row.environment or None,
            "built": built.get(row.environment),
            "devices": list(row.devices),
            "licence": row.licence,
            "what": row.what,
            "tested": row.tested,
        }


@engines.command()
def build(
    name: Annotated[str, typer.Argument(help="An environment's name, as 'engines list' shows it.")],
) -> None:
    """Builds an engine environment where it is missing or broken; prints its interpreter."""
    from pipelines.process import environment

    print(environment.ensure(name, _tell, verify=True))


WEIGHTS = (
    Column("size", "size"),
    Column("temporal", lambda row: f"{row['temporal_parameters'] / 1e6:.0f} M", is_figure=True),
    Column("all", lambda row: f"{row['parameters'] / 1e6:.0f} M", is_figure=True),
    Column("made", lambda row: _precisions(row["made"]) or "none"),
    Column("could be made", lambda row: _precisions(row["missing"])),
)


@weights_app.command("list")
def list_weights(
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """All sizes, and the precisions of each that are made."""
    from pipelines.duplex.moshi.weights import files as weights
    from pipelines.weights.sizes import LM_NAMES, MIMI_BYTES, lm_bytes

    rows = []
    for size in SIZES.values():
        folder = weights.folder_of(size.name)
        made: dict[str, float] = {}
        missing: dict[str, float] = {}
        for precision in (p for p in size.precisions if p != "f32"):
            path = folder / LM_NAMES[precision]
            if path.exists():
                made[precision] = path.stat().st_size
            else:
                missing[precision] = lm_bytes(size.parameters, precision)
        rows.append(
            {
                "size": size.name,
                "temporal_parameters": size.temporal_parameters,
                "parameters": size.parameters,
                "made": made,
                "missing": missing,
            }
        )
    note = (
        f"f32 is computed from bf16's file. Each size needs the codec too "
        f"({_size(MIMI_BYTES)}, shared). Kept in {weights.folder_of('tiny').parent}"
    )
    print_lists(form, Listing("weights", WEIGHTS, tuple(rows)), notes=(note,))


def _precisions(sizes: Mapping[str, float]) -> str:
    return ", ".join(f"{precision} ({_size(n)})" for precision, n in sizes.items())


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
