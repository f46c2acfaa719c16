"""``duplex-lab report``: a run as one HTML page to open anywhere, or as Markdown, JSON, CSV."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.metrics.recompute import compute_run
from bench.report.page.page import Input, write_page
from bench.report.text.formats import as_csv, as_json, as_markdown
from bench.store import store
from bench.store.atomic import atomic_write
from bench.summary.summary import summarise
from pipelines.errors import LabError

LARGE_MB = 15.0
"""Size of a page, bytes, above which a hint says how to make it smaller."""


class Format(StrEnum):
    """Formats of a report."""

    html = "html"
    md = "md"
    json = "json"
    csv = "csv"


class Figures(StrEnum):
    """Formats of figures for a paper."""

    svg = "svg"
    pdf = "pdf"


class Audio(StrEnum):
    """Places for the recordings."""

    embed = "embed"
    beside = "beside"
    none = "none"


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Folders of runs.")],
    form: Annotated[
        Format, typer.Option("--format", help="A page, or only the figures.")
    ] = Format.html,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write; else RUN/report.html, and the other formats to stdout. With "
            "--figures: the folder, else RUN/figures."
        ),
    ] = None,
    audio: Annotated[
        Audio,
        typer.Option(help="Recordings as Opus in the page, in a folder beside it, or left out."),
    ] = Audio.embed,
    figures: Annotated[
        Figures | None,
        typer.Option(
            help="Instead of a page: each panel alone, for a paper, 89 mm (a column) and 183 mm "
            "(a page) wide."
        ),
    ] = None,
) -> None:
    """Write a run's report: one page that opens offline, with every turn to see and hear.

    Several runs share one page, with one picture of all their latencies.
    """
    if figures is None and form is Format.html and out is None and len(runs) > 1:
        raise LabError("report of several runs: say with --out where the page is to be written.")
    if figures is not None:
        _write_figures(runs, figures, out)
        return
    inputs = [_input(path) for path in runs]
    if form is Format.html:
        target = out or runs[0] / "report.html"
        with _progress() as tell:
            size = write_page(target, inputs, audio.value, tell)
        typer.echo(f"{target}: {size / 1e6:.1f} MB")
        if size > LARGE_MB * 1e6 and audio is Audio.embed:
            typer.echo("--audio beside or --audio none makes a smaller page.", err=True)
        return
    if form is Format.csv:
        text = as_csv([row for one in inputs for row in one.rows])
    else:
        summaries = [summarise(one.run, one.rows) for one in inputs]
        text = as_markdown(summaries) if form is Format.md else as_json(summaries)
    if out is None:
        sys.stdout.write(text)
    else:
        atomic_write(out, text.encode())
        typer.echo(str(out))


def _write_figures(runs: list[Path], form: Figures, out: Path | None) -> None:
    """Writes each run's figures into a folder of its own."""
    from bench.report.figures.write import write_figures

    if out is not None and len(runs) > 1:
        raise LabError("report --figures of several runs: leave --out away; each has its folder.")
    for path in runs:
        one, folder = _input(path), out or path / "figures"
        made = write_figures(folder, summarise(one.run, one.rows), one.rows, form.value)
        for file in made:
            typer.echo(f"{file}: {file.stat().st_size / 1e3:.0f} kB")


def _input(path: Path) -> Input:
    """A run with its metrics and causes: computed now, and not written, if metrics are missing."""
    run = store.read_run(path)
    if (path / "metrics.parquet").exists():
        return Input(run, store.read_metrics(path), store.read_causes(path))
    found = compute_run(run)
    return Input(run, found.metrics, found.causes)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """One line on a terminal's stderr, overwritten each time; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    width = 78

    def tell(text: str) -> None:
        sys.stderr.write(f"\r{text[:width]:<{width}}")
        sys.stderr.flush()

    try:
        yield tell
    finally:
        sys.stderr.write(f"\r{'':<{width}}\r")
        sys.stderr.flush()
