"""Hashes of files, read once: SHA-256, and the SHA-1 by which git names small ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Hashes:
    """Hashes of one file."""

    bytes: int
    sha256: str
    git_sha1: str
    """The result of ``git hash-object``."""


def hashes_of(path: Path) -> Hashes:
    """Reads a file and hashes it.

    Raises:
        OSError: it can't be read.
    """
    size = path.stat().st_size
    sha256 = hashlib.sha256()
    sha1 = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha256.update(block)
            sha1.update(block)
    return Hashes(size, sha256.hexdigest(), sha1.hexdigest())
