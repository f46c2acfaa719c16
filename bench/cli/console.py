"""The terminal: colour only where a person sees it, progress on a line or as lines."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from bench.runner.run import Progress as RunProgress
from bench.runner.run import Watcher


def console() -> Console:
    """Standard output; rich honours NO_COLOR and turns colour off where it is no terminal."""
    return Console(highlight=False)


def duration(seconds: float) -> str:
    """``1 h 02 min``, ``3 min 05 s`` or ``12 s``."""
    s = round(seconds)
    if s >= 3600:
        return f"{s // 3600} h {s % 3600 // 60:02d} min"
    return f"{s // 60} min {s % 60:02d} s" if s >= 60 else f"{s} s"


@contextlib.contextmanager
def progress() -> Iterator[Watcher]:
    """Shows a run's progress on stderr: a bar on a terminal, else a line per change."""
    err = Console(stderr=True, highlight=False)
    if not err.is_terminal:

        def line(p: RunProgress) -> None:
            print(
                f"[{p.done}/{p.total}] {p.text} (about {duration(p.left_s)} left)",
                file=sys.stderr,
                flush=True,
            )

        yield line
        return
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]} left"),
        TextColumn("{task.description}"),
    )
    # A slow refresh: the bar must not take the cores that are being measured.
    with Progress(*columns, console=err, transient=True, refresh_per_second=2) as bar:
        task = bar.add_task("starting", total=None, left="")

        def draw(p: RunProgress) -> None:
            left = duration(p.left_s)
            bar.update(task, completed=p.done, total=p.total, description=p.text, left=left)

        yield draw
