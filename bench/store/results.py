"""The folder of runs: the names of runs in it, and which of them began last.

``results/latest`` is a text file with the name of that run, no link: it survives being zipped,
copied and checked out anywhere. Whatever takes a run takes ``latest`` too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from bench.store.atomic import StoreError, atomic_write, explained

RESULTS = Path("results")
LATEST = "latest"
NAME_CUT = 16
"""Characters of the first preset that a run's name keeps: a command with it fits into a line."""


def new_run_id(presets: Sequence[str], now: datetime | None = None) -> str:
    """A short name that sorts by time: ``20260131-120000-cascade-embedded+1``.

    Args:
        presets: Names of the run's presets; the first is named, the others are counted.
        now: The time in it; None: now.
    """
    first, *others = presets
    name = f"{now or datetime.now():%Y%m%d-%H%M%S}-{first[:NAME_CUT].rstrip('-_.+')}"
    return f"{name}+{len(others)}" if others else name


def note_latest(run_dir: Path) -> None:
    """Makes a run the latest of the folder that it lies in, where that is a ``results``.

    Raises:
        StoreError: the file can't be written.
    """
    own = run_dir.resolve()
    if own.parent.name == RESULTS.name:
        atomic_write(own.parent / LATEST, f"{own.name}\n".encode())


def forget_latest(run_dir: Path) -> None:
    """Removes the pointer of a folder where it names this run, which is about to go."""
    pointer = run_dir.parent / LATEST
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if pointer.read_text(encoding="utf-8").strip() == run_dir.name:
            pointer.unlink()


def find_run(named: Path | str) -> Path:
    """The path that a command's RUN or RUN/TRIAL means.

    ``latest`` is the run that began last, a bare name is also looked for in ``results/``. What is
    no such name stays as it is, so that whoever opens it says what is wrong.

    Raises:
        StoreError: there is no latest run, or it is gone.
    """
    path = Path(named)
    for head, rest in ((path, ()), (path.parent, (path.name,))):
        if head.name == LATEST and not head.is_dir():
            if head == Path(LATEST):
                return _pointed(RESULTS / LATEST).joinpath(*rest)
            if head.parent.name == RESULTS.name:
                return _pointed(head).joinpath(*rest)
        elif len(head.parts) == 1 and not head.exists() and (RESULTS / head).is_dir():
            return (RESULTS / head).joinpath(*rest)
    return path


def _pointed(pointer: Path) -> Path:
    """The run that a pointer names."""
    folder = pointer.parent
    if not pointer.is_file():
        raise StoreError(
            f"{folder} has no latest run: begin one (duplex-lab run), or name a run's folder "
            "(duplex-lab runs lists them)."
        )
    with explained(pointer):
        name = pointer.read_bytes().decode("utf-8", errors="replace").strip()
    if not name or "\0" in name or name != Path(name).name:
        raise StoreError(f"{pointer}: it should hold the name of a run; remove it.")
    if not (folder / name).is_dir():
        raise StoreError(
            f"{folder / name}: the latest run is gone; duplex-lab runs lists those that are here."
        )
    return folder / name
