"""Finds the rows that the modules of a room carry: a new file is enough, no list names it.

A module with a row of a table holds it as ``ROW`` at its top level. The files are looked through
for that word first, so that only modules with a row are imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

_HAS_ROW = re.compile(r"^ROW\b.*=", re.MULTILINE)


def rows_of(room: str) -> list[Any]:
    """The rows of a package's modules and of those in the packages below it, by their paths.

    Args:
        room: Dotted name of the package.
    """
    spec = importlib.util.find_spec(room)
    found = []
    for place in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(place).rglob("*.py")):
            if _HAS_ROW.search(path.read_text(encoding="utf-8")):
                parts = path.relative_to(place).with_suffix("").parts
                found.append(importlib.import_module(".".join((room, *parts))).ROW)
    return found
