"""Temporary folders that outlive no run: what a killed one left is swept by the next.

A folder is locked by its owner, and the kernel drops the lock when the owner dies, however it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

PREFIX = "dlab-"
LOCK = ".lock"
YOUNG_S = 60.0
"""A younger folder may be one whose owner has not locked it yet."""
OLD_S = 7 * 86_400.0
"""An older one without a lock is of no version that still runs."""


class Scratch:
    """A temporary folder; a context manager that removes it.

    Args:
        name: What it is for; keep it short where sockets lie in it, whose path may hold some 100
            characters.
    """

    def __init__(self, name: str = "") -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}"))
        self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # some file systems have no locks
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes the folder; safe to repeat."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def sweep(folder: Path | None = None) -> list[Path]:
    """Removes what killed runs left behind; returns what it removed.

    Args:
        folder: Where to look; None: where temporary files are made.
    """
    place = folder or Path(tempfile.gettempdir())
    return [path for path in place.glob(f"{PREFIX}*") if _is_left_behind(path) and _removed(path)]


def _is_left_behind(path: Path) -> bool:
    """Whether a folder is ours, and its owner is gone."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        age_s = time.time() - found.st_mtime
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or age_s < YOUNG_S:
            return False
        if not (path / LOCK).exists():
            return age_s > OLD_S
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        finally:
            os.close(lock)
    return False


def _removed(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()
