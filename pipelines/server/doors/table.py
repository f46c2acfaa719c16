"""The table of doors: the ``ROW`` of every module of this folder that has one."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from functools import cache

import pipelines.server.doors
from pipelines.server.doors.door import DoorRow


@cache
def rows() -> dict[str, DoorRow]:
    """Name → its row, sorted by name."""
    found = []
    for module in pkgutil.iter_modules(pipelines.server.doors.__path__, "pipelines.server.doors."):
        row = None if module.ispkg else getattr(importlib.import_module(module.name), "ROW", None)
        found += [row] if isinstance(row, DoorRow) else []
    return {row.name: row for row in sorted(found, key=lambda row: row.name)}


def lacks(row: DoorRow) -> list[str]:
    """Packages that a door needs and this machine lacks."""
    return [name for name in row.needs if importlib.util.find_spec(name) is None]
