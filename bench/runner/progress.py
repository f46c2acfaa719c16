"""The progress of a run: its reports to a watcher, and the watcher of a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.report.text import layout
from bench.report.text.escape import visible
from bench.runner.standing import Standing
from bench.stats.format import Block, duration, number


@dataclass(frozen=True, slots=True)
class Progress:
    """A report of a run to its watcher."""

    done: int
    total: int
    left_s: float
    """Estimate of the time left, s, to the end of the report."""
    text: str
    """The present step."""
    standings: tuple[Standing, ...] = ()
    """The presets so far; none before the first trial."""
    preset: str = ""
    """The preset that is played now."""


Watcher = Callable[[Progress], None]


@contextlib.contextmanager
def progress() -> Iterator[Watcher]:
    """Shows a run's progress on stderr.

    On a terminal a table that fills and a bar; else a line per change.
    """
    from rich.console import Console

    err = Console(stderr=True, highlight=False)
    if not err.is_terminal:
        yield lambda p: print(line(p), file=sys.stderr, flush=True)
        return
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    bar = Bar(
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]} left", markup=False),
        TextColumn("{task.description}", markup=False),
        console=err,
    )
    task = bar.add_task("starting", total=None, left="")
    # A slow refresh: what is drawn must not take the cores that are being measured.
    with Live(bar, console=err, transient=True, refresh_per_second=2) as live:

        def draw(p: Progress) -> None:
            left = duration(p.left_s)
            text = visible(p.text)
            bar.update(task, completed=p.done, total=p.total, description=text, left=left)
            shown = Text(table(p.standings, err.width), overflow="ignore", no_wrap=True)
            live.update(Group(shown, bar) if p.standings else bar)

        yield draw


def line(p: Progress) -> str:
    """A report in one line."""
    own = next((s for s in p.standings if s.preset == p.preset and s.p50_ms is not None), None)
    so_far = f", p50 so far {number(own.p50_ms)} ms of {own.turns} turns" if own else ""
    late = sum(s.late for s in p.standings)
    said = f", {late} late" if late else ""
    left = f"(about {duration(p.left_s)} left{so_far}{said})"
    return f"[{p.done}/{p.total}] {visible(p.text)} {left}"


def table(standings: Sequence[Standing], width: int | None = None) -> str:
    """The figures so far, in lines of a width in columns; None for any."""
    return "\n".join(layout.table(Block("", HEADS, tuple(map(_cells, standings))), width))


HEADS = ("so far", "turns", "no answer", "p50 ms", "slowest", "late trials")


def _cells(s: Standing) -> tuple[str, ...]:
    return (
        s.preset,
        f"{s.turns}/{s.planned}",
        str(s.unanswered),
        number(s.p50_ms),
        number(s.slowest_ms),
        str(s.late),
    )
