"""The labs: a row each, imported when it is needed."""

from __future__ import annotations

import importlib
from pathlib import Path

from labs.check import Lab
from pipelines.errors import LabError

FOLDERS: dict[str, str] = {
    "5a": "lab5a_cascade",
    "5b": "lab5b_duplex",
    "5c": "lab5c_face",
}
"""Name → its folder beside this file, a package with ``checks.LAB``."""

ROOT = Path(__file__).parent


class UnknownLabError(LabError):
    """A name without a lab."""


def present() -> list[str]:
    """The labs that this installation holds."""
    return [name for name, folder in FOLDERS.items() if (ROOT / folder / "checks.py").is_file()]


def folder(name: str) -> Path:
    """A lab's folder.

    Raises:
        UnknownLabError: there is no such lab.
    """
    if name not in present():
        raise UnknownLabError(f"There is no lab {name!r}; there are {', '.join(present())}.")
    return ROOT / FOLDERS[name]


def load(name: str) -> Lab:
    """A lab, with its checks.

    Raises:
        UnknownLabError: there is no such lab.
    """
    module = f"labs.{folder(name).name}.checks"
    found: Lab = importlib.import_module(module).LAB
    return found
