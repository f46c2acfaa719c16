"""Modules with a new name: a user of the old name gets an error with the new one.

The table, ``moved.toml``, holds the modules of `pipelines` that a user's preset, bot, entry point
or notebook may name as ``module:object`` or import. It is read only when such a name isn't found.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

_DOTTED = re.compile(r"\bpipelines(?:\.\w+)+(?::\w+)?")


@cache
def moved() -> dict[str, str]:
    """Old name of a module → its name today."""
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        table: dict[str, str] = tomllib.load(file)["modules"]
    return table


def new_name(old: str) -> str:
    """Today's name of ``module`` or ``module:object``; empty: it has not moved."""
    module, colon, name = old.partition(":")
    new = moved().get(module, "")
    return f"{new}{colon}{name}" if new else ""


def told(*texts: str | None) -> str:
    """One sentence, without its full stop, on the first old name in some texts; empty: none.

    Args:
        texts: A dotted name, or a line of a program, each.
    """
    for old in (name for text in texts for name in _DOTTED.findall(text or "")):
        if new := new_name(old):
            return f"{old} is called {new} now: change the name where it is used"
    return ""
