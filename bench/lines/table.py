"""The table of lines: the ``ROW`` of every module of this folder that has one, and `refused`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from urllib.parse import urlsplit

import bench.lines
from bench.lines import refused
from bench.lines.line import Line, LineChoice, LineError, LineRow


@cache
def rows() -> dict[str, LineRow]:
    """Name → its row, sorted by name."""
    found = []
    for module in pkgutil.iter_modules(bench.lines.__path__, "bench.lines."):
        row = None if module.ispkg else getattr(importlib.import_module(module.name), "ROW", None)
        found += [row] if isinstance(row, LineRow) else []
    found += refused.ROWS
    return {row.name: row for row in sorted(found, key=lambda row: row.name)}


def row_of(name: str) -> LineRow:
    """The row of a line.

    Raises:
        LineError: there is none of that name.
    """
    if name not in rows():
        raise LineError(f"there is no line {name!r}; known: {', '.join(rows())}")
    return rows()[name]


def make(choice: LineChoice) -> Line:
    """The codec of one conversation.

    Raises:
        LineError: there is none of that name, it is refused, or its address is wrong.
    """
    row = row_of(choice.name)
    if row.refusal:
        raise LineError(f"the line {row.name} {row.refusal}")
    return row.make(choice.url, **choice.options)


def suggested(url: str) -> list[str]:
    """Names of the lines that an address looks like, the likeliest first; none: any may be.

    Args:
        url: Of an agent.
    """
    path = urlsplit(url).path.rstrip("/")
    fits = [row for row in rows().values() if path and path in row.paths and not row.refusal]
    return [row.name for row in sorted(fits, key=lambda row: row.paths.index(path))]
