"""The progress of a fetch: a bar on a terminal, else a line at every quarter."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

Watch = Callable[[str, int, int | None], None]
"""See `pipelines.models.fetching.fetch.Watch`."""


@contextlib.contextmanager
def fetching() -> Iterator[Watch]:
    """Shows the bytes of each file on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    err = Console(stderr=True, highlight=False)
    if not err.is_terminal:
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, refresh_per_second=4) as bars:
        tasks: dict[str, TaskID] = {}

        def draw(path: str, done: int, total: int | None) -> None:
            if path not in tasks:
                # Bytes from the last attempt do not count for the speed.
                tasks[path] = bars.add_task(path, total=total, completed=done)
            bars.update(tasks[path], completed=done, total=total)

        yield draw


class _Lines:
    """A line for each file when it begins, at every quarter, and at its end."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def __call__(self, path: str, done: int, total: int | None) -> None:
        quarter = 4 * done // total if total else 0
        if self._told.get(path) == quarter:
            return
        self._told[path] = quarter
        of = f" of {size(total)}" if total is not None else ""
        print(f"{path}: {size(done)}{of}", file=sys.stderr, flush=True)


def size(n: float | None) -> str:
    """``4.8 GB``, ``75 MB``, ``2 kB``; a dash where it is unknown."""
    if n is None:
        return "–"
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if n >= factor:
            return f"{n / factor:.1f} {unit}" if n < 10 * factor else f"{n / factor:.0f} {unit}"
    return f"{n / 1e3:.0f} kB" if n >= 1e3 else f"{n:.0f} bytes"
