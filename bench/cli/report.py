"""``duplex-lab report``: a run as one HTML page to open anywhere, or as Markdown, JSON, CSV."""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.store.results import LATEST, find_run
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.report.page.page import Input

LARGE_MB = 15.0
"""Size of a page, bytes, above which a hint says how to make it smaller."""


QUIET_S = 4.0
"""Longest silence of the command where its output is no terminal."""


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
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Folders of runs; default: the latest run."),
    ] = None,
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
        typer.Option(help="Recordings as Vorbis in the page, in a folder beside it, or left out."),
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
    from bench.report.page.page import write_page
    from bench.report.text.formats import as_csv, as_json, as_markdown
    from bench.store.atomic import atomic_write
    from bench.summary.summary import summarise

    paths = [find_run(run) for run in runs or [Path(LATEST)]]
    if figures is None and form is Format.html and out is None and len(paths) > 1:
        raise LabError("report of several runs: say with --out where the page is to be written.")
    if figures is not None:
        _write_figures(paths, figures, out)
        return
    if form is Format.html:
        target = out or paths[0] / "report.html"
        with _progress() as tell, _no_search_for_garbage():
            inputs = [_input(path, tell) for path in paths]
            size = write_page(target, inputs, audio.value, tell)
        typer.echo(f"{target}: {size / 1e6:.1f} MB")
        if size > LARGE_MB * 1e6 and audio is Audio.embed:
            typer.echo("--audio beside or --audio none makes a smaller page.", err=True)
        return
    inputs = [_input(path) for path in paths]
    if form is Format.csv:
        text = as_csv([row for one in inputs for row in one.rows])
    else:
        summaries = [summarise(one.run, one.rows, one.causes) for one in inputs]
        text = as_markdown(summaries) if form is Format.md else as_json(summaries)
    if out is None:
        sys.stdout.write(text)
    else:
        atomic_write(out, text.encode())
        typer.echo(str(out))


def _write_figures(runs: list[Path], form: Figures, out: Path | None) -> None:
    """Writes each run's figures into a folder of its own."""
    from bench.report.figures.write import write_figures
    from bench.summary.summary import summarise

    if out is not None and len(runs) > 1:
        raise LabError("report --figures of several runs: leave --out away; each has its folder.")
    for path in runs:
        one, folder = _input(path), out or path / "figures"
        made = write_figures(folder, summarise(one.run, one.rows), one.rows, form.value)
        for file in made:
            typer.echo(f"{file}: {file.stat().st_size / 1e3:.0f} kB")


def _input(path: Path, tell: Callable[[str], None] = lambda text: None) -> Input:
    """A run with its metrics and causes: computed now, and not written, if metrics are missing."""
    from bench.metrics.recompute import compute_run
    from bench.report.page.page import Input
    from bench.store import store

    tell(f"reading {path}")
    run = store.read_run(path)
    if (path / "metrics.parquet").exists():
        return Input(run, store.read_metrics(path), store.read_causes(path))
    found = compute_run(run)
    return Input(run, found.metrics, found.causes)


@contextlib.contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """What is read lives until the end: looking for cycles in it is a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Seldom:
    """A line on stderr when the last one is `QUIET_S` old: what takes less says nothing."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def __call__(self, text: str) -> None:
        if text and time.monotonic() - self._told_s >= QUIET_S:
            self._told_s = time.monotonic()
            print(f"duplex-lab: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """One line on a terminal's stderr, overwritten each time; elsewhere a line now and then."""
    if not sys.stderr.isatty():
        yield _Seldom()
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
