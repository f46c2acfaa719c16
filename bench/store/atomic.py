"""Files that are there whole or not at all, and errors of the store as one sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import LabError


class StoreError(LabError):
    """A run's folder can't be read or written; the text is one sentence that says how to fix it."""


def atomic_write(path: Path, data: bytes) -> None:
    """Writes a file through a temporary one beside it: a killed process leaves no half file.

    Raises:
        StoreError: the disk is full, or the folder can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns an ``OSError`` about ``path`` into a `StoreError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(_sentence(path, error)) from error


def _sentence(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path}: the disk is full; free some space and run again, what was written is kept"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path}: no permission; choose another folder or change its rights"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{path}: a file stands where a folder is needed; choose another folder"
    return f"{path}: {error.strerror or error}"
