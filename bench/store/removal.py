"""Folders that go as a whole, and how large they are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bench.store.atomic import explained

GOING = ".removed-"
"""Begin of the name of a folder that goes: no run and no engine is looked for under it."""


def bytes_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_size
            except OSError:  # it went meanwhile
                continue
    return total


def remove_whole(path: Path) -> None:
    """Removes a folder or file: renamed first, so that a kill leaves nothing half behind its name.

    What an earlier, killed removal left beside it goes too.

    Raises:
        StoreError: the folder around it can't be written.
    """
    with explained(path):
        path.rename(path.with_name(f"{GOING}{path.name}.{os.getpid()}"))
        for left in path.parent.glob(f"{GOING}*"):
            if left.is_symlink() or not left.is_dir():
                left.unlink(missing_ok=True)
            else:
                shutil.rmtree(left, ignore_errors=True)
