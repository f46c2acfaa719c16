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
        typer.Option(help="File to write; else RUN/report.html, and the other formats to stdout."),
    ] = None,
    audio: Annotated[
        Audio,
        typer.Option(help="Recordings as Vorbis in the page, in a folder beside it, or left out."),
    ] = Audio.embed,
) -> None:
    """Write a run's report: one page that opens offline, with every turn to see and hear.

    Several runs share one page, with one picture of all their latencies.
    """
    if form is Format.html and out is None and len(runs) > 1:
        raise LabError("report of several runs: say with --out where the page is to be written.")
    if form is Format.html:
        from bench.report.page.page import write_page

        target = out or runs[0] / "report.html"
        with _progress() as tell, _no_search_for_garbage():
            inputs = [_input(path, tell) for path in runs]
            size = write_page(target, inputs, audio.value, tell)
        typer.echo(f"{target}: {size / 1e6:.1f} MB")
        if size > LARGE_MB * 1e6 and audio is Audio.embed:
            typer.echo("--audio beside or --audio none makes a smaller page.", err=True)
        return
    from bench.report.text.formats import as_csv, as_json, as_markdown
    from bench.store.atomic import atomic_write
    from bench.summary.summary import summarise

    inputs = [_input(path) for path in runs]
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


def _input(path: Path, tell: Callable[[str], None] = lambda text: None) -> Input:
    """A run and its metrics: computed now, and not written, if they are missing."""
    from bench.metrics.compute import compute
    from bench.report.page.page import Input
    from bench.store import store

    tell(f"reading {path}")
    run = store.read_run(path)
    rows = store.read_metrics(path) if (path / "metrics.parquet").exists() else compute(run)
    return Input(run, rows)


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
