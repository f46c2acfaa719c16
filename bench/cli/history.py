"""``duplex-lab history METRIC``: a metric over all the runs that are kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, Row, print_lists
from bench.stats.format import number
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.compare.history import History, Point


def history(
    metric: Annotated[str, typer.Argument(help="The metric's name, as in metrics.parquet.")],
    root: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("results"),
    preset: Annotated[str, typer.Option(help="Only this preset.")] = "",
    since: Annotated[str, typer.Option(help="Only runs of this day (2026-01-31) or later.")] = "",
    out: Annotated[Path | None, typer.Option(help="Draw it into this PNG.")] = None,
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """Print a metric's median in every run, oldest first; draw it with --out.

    Warm-ups and rows that are not valid are left out. A run that can't be read is skipped and
    reported.
    """
    from bench.compare.history import read_history
    from bench.report.plots.history import png_of
    from bench.store.atomic import atomic_write

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
    print_lists(form, _listing(found))
    if out is not None:
        atomic_write(out, png_of(found))
        typer.echo(f"{out}", err=form is not Format.table)


COLUMNS = (
    Column("date", lambda row: row["date"][:10] or "–"),
    Column("run", "run"),
    Column("preset", "name"),
    Column("p50", lambda row: number(row["p50"], ".1f"), is_figure=True),
    Column("95 %", lambda row: _interval(row), is_figure=True),
    Column("n", "n", is_figure=True),
    Column("invalid", "invalid", is_figure=True),
)


def _listing(found: History) -> Listing:
    """A row a run and preset."""
    unit = f" ({found.unit})" if found.unit else ""
    rows = tuple(_row(found, point) for point in found.points)
    return Listing("points", COLUMNS, rows, f"{found.metric}{unit}")


def _row(found: History, point: Point) -> Row:
    from bench.report.plots.history import name_of

    p50 = point.p50
    return {
        "date": point.date,
        "run": point.run,
        "preset": point.preset,
        "subject": point.subject,
        "name": name_of(point),
        "metric": found.metric,
        "unit": found.unit,
        "p50": p50.value,
        "low": p50.low,
        "high": p50.high,
        "n": p50.n,
        "insufficient": p50.insufficient,
        "invalid": point.invalid,
    }


def _interval(row: Row) -> str:
    if row["low"] is None:
        return row["insufficient"] or "–"
    return f"{number(row['low'], '.1f')} – {number(row['high'], '.1f')}"
