"""A run in one file, for a colleague: it unpacks into one folder, which every command opens."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bench.store.atomic import StoreError, explained

SUFFIXES = (".zip", ".tar.gz")
PACKED_ALREADY = (".flac", ".parquet", ".png", ".pdf")
"""Suffixes of files that get no smaller."""


def pack(run_dir: Path, out: Path) -> int:
    """Writes a run into a new archive, whole or not at all.

    Left out are the lock, hidden files and links.

    Args:
        run_dir: The run's folder.
        out: The archive, by its name a .zip or a .tar.gz.

    Returns:
        Bytes of the archive.

    Raises:
        StoreError: the archive exists, its name says no known kind, or it can't be written.
    """
    if not out.name.endswith(SUFFIXES):
        raise StoreError(f"{out}: the name of an archive ends in {' or '.join(SUFFIXES)}.")
    if os.path.lexists(out):
        raise StoreError(f"{out}: exists already; remove it, or name another file with --out.")
    if not out.parent.is_dir():
        raise StoreError(f"{out}: there is no folder {out.parent}; make it, or name another.")
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    write = _zip if out.name.endswith(".zip") else _tar
    with explained(out):
        try:
            write(run_dir, temporary)
            temporary.replace(out)
        finally:
            temporary.unlink(missing_ok=True)
        return out.stat().st_size


def _files(run_dir: Path) -> Iterator[tuple[Path, str]]:
    """A run's files, and their names in the archive."""
    own = run_dir.resolve()
    for path in sorted(own.rglob("*")):
        inside = path.relative_to(own)
        hidden = any(part.startswith(".") for part in inside.parts)
        ways = (own / Path(*inside.parts[:i]) for i in range(1, len(inside.parts) + 1))
        if path.is_file() and not hidden and not any(way.is_symlink() for way in ways):
            yield path, f"{own.name}/{inside.as_posix()}"


def _zip(run_dir: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "x", strict_timestamps=False) as file:
        for path, name in _files(run_dir):
            stored = path.suffix in PACKED_ALREADY
            file.write(path, name, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)


def _tar(run_dir: Path, archive: Path) -> None:
    with tarfile.open(archive, "x:gz") as file:
        for path, name in _files(run_dir):
            file.add(path, name, recursive=False, filter=_nobody)


def _nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """An entry without the name and number of who packed it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
