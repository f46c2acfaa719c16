"""The folder for files built on this machine: engine environments and synthetic weights."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import LabError

VARIABLE = "DUPLEX_LAB_CACHE"
Tell = Callable[[str], None]
"""Takes a few words on the progress."""


def silent(_: str) -> None:
    """A `Tell` that says nothing."""


def cache_folder() -> Path:
    """``$DUPLEX_LAB_CACHE``, or ``duplex-lab`` in the user's cache folder; made when needed."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "duplex-lab"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "duplex-lab"


@contextmanager
def building(folder: Path, tell: Tell = silent, variable: str = VARIABLE) -> Iterator[None]:
    """Lock of the one process that builds ``folder``; others wait for it.

    The lock is the kernel's (``flock`` on a file beside the folder), so a killed builder holds
    nothing.

    Raises:
        LabError: the cache can't be written.
    """
    lock = folder.with_name(f".{folder.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise LabError(
            f"{lock.parent} can't be written ({error.strerror}): change its permissions, "
            f"or name another folder by {variable}."
        ) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"another process is building {folder.name}: waiting for it")
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError as error:  # some network file systems have no locks
            raise LabError(
                f"{lock.parent} can't be locked ({error.strerror}): name a folder on a local disk "
                f"by {variable}."
            ) from error
        yield
    finally:
        os.close(fd)


def need_disk(folder: Path, needed_bytes: float, what: str, variable: str = VARIABLE) -> None:
    """Checks the free space before anything is written.

    Raises:
        LabError: there is too little.
    """
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        raise LabError(
            f"{what} needs {needed_bytes / 1e9:.1f} GB of disk and {there} has "
            f"{free / 1e9:.1f} GB free: free some, or name another folder by {variable}."
        )
