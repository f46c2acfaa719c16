"""``duplex-lab history METRIC``: a metric over all the runs that are kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.compare.history import History, Point
    from bench.stats.format import Block


def history(
    metric: Annotated[str, typer.Argument(help="The metric's name, as in metrics.parquet.")],
    root: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("results"),
    preset: Annotated[str, typer.Option(help="Only this preset.")] = "",
    since: Annotated[str, typer.Option(help="Only runs of this day (2026-01-31) or later.")] = "",
    out: Annotated[Path | None, typer.Option(help="Draw it into this PNG.")] = None,
) -> None:
    """Print a metric's median in every run, oldest first; draw it with --out.

    Warm-ups and rows that are not valid are left out. A run that can't be read is skipped and
    reported.
    """
    from bench.compare.history import read_history
    from bench.report.text.table import print_block, terminal

    if since:
        try:
            since = date.fromisoformat(since).isoformat()
        except ValueError:
            raise LabError(f"--since {since}: a day is needed, like 2026-01-31.") from None
    found = read_history(root, metric, preset=preset, since=since)
    for sentence in found.skipped:
        typer.echo(f"duplex-lab: skipped: {sentence}", err=True)
    if not found.points:
        raise LabError(f"{root}: no run in it has {metric} for this preset and date.")
    print_block(_block(found), terminal())
    if out is not None:
        from bench.report.plots.history import png_of
        from bench.store.atomic import atomic_write

        atomic_write(out, png_of(found))
        typer.echo(f"{out}")


def _block(found: History) -> Block:
    from bench.stats.format import Block

    unit = f" ({found.unit})" if found.unit else ""
    return Block(
        f"{found.metric}{unit}",
        ("date", "run", "preset", "p50", "95 %", "n", "invalid"),
        tuple(_row(point) for point in found.points),
    )


def _row(point: Point) -> tuple[str, ...]:
    from bench.report.plots.history import name_of
    from bench.stats.format import number

    p50 = point.p50
    interval = f"{number(p50.low, '.1f')} – {number(p50.high, '.1f')}"
    return (
        point.date[:10] or "–",
        point.run,
        name_of(point),
        number(p50.value, ".1f"),
        interval if p50.low is not None else (p50.insufficient or "–"),
        str(p50.n),
        str(point.invalid),
    )
