"""How it is measured. ``bench.load(RUN)`` opens a run in a notebook; this import loads nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.notebook.load import LoadedRun


def load(run: str | Path) -> LoadedRun:
    """Opens a run's folder to be read; see `bench.notebook.load.LoadedRun`.

    Raises:
        LabError: the folder can't be read, or pandas is not installed.
    """
    from bench.notebook.load import load as opened

    return opened(run)
