"""The progress of a run: its reports to a watcher, and the watcher of a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.report.text.escape import visible
from bench.stats.format import duration


@dataclass(frozen=True, slots=True)
class Progress:
    """A report of a run to its watcher."""

    done: int
    total: int
    left_s: float
    """Estimate of the time left, s."""
    text: str
    """The present step."""


Watcher = Callable[[Progress], None]


@contextlib.contextmanager
def progress() -> Iterator[Watcher]:
    """Shows a run's progress on stderr: a bar on a terminal, else a line per change."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    err = Console(stderr=True, highlight=False)
    if not err.is_terminal:

        def line(p: Progress) -> None:
            print(
                f"[{p.done}/{p.total}] {visible(p.text)} (about {duration(p.left_s)} left)",
                file=sys.stderr,
                flush=True,
            )

        yield line
        return
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]} left", markup=False),
        TextColumn("{task.description}", markup=False),
    )
    # A slow refresh: the bar must not take the cores that are being measured.
    with Bar(*columns, console=err, transient=True, refresh_per_second=2) as bar:
        task = bar.add_task("starting", total=None, left="")

        def draw(p: Progress) -> None:
            left = duration(p.left_s)
            text = visible(p.text)
            bar.update(task, completed=p.done, total=p.total, description=text, left=left)

        yield draw
