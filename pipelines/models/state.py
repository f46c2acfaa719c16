"""Whether a model's files are complete: by names and sizes, in microseconds and without hashing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.models.lockfile import Lock, read_lock
from pipelines.models.manifest import Manifest
from pipelines.models.paths import model_folder, partial_folder

Word = Literal["there", "missing", "partial", "damaged"]


@dataclass(frozen=True, slots=True)
class State:
    """The state of a model on disk."""

    word: Word
    """partial: half fetched, to be resumed; damaged: a file is missing or has another size, or all
    are of another revision than its manifest names now."""
    folder: Path | None
    """Folder of its files, existing or not; None: in a package that is not installed."""
    why: str = ""
    """The damaged file, and its fault."""
    partial_bytes: int = 0
    """Bytes of a half-fetched model."""


def state_of(manifest: Manifest) -> State:
    """The state of a model on disk.

    Raises:
        ModelFilesError: its lock is damaged.
    """
    if not manifest.source.fetched:
        folder = manifest.source.folder()
        if folder is None:
            return State("missing", None, f"the package {manifest.source.at!r} is not installed")
        why = first_wrong(manifest, folder, None)
        return State("damaged" if why else "there", folder, why)
    folder, partial = model_folder(manifest.id), partial_folder(manifest.id)
    if folder.is_dir():
        lock = read_lock(manifest.id)
        if lock is None:
            return State("damaged", folder, f"nothing is known of its bytes ({folder})")
        why = first_wrong(manifest, folder, lock)
        if not lock.is_of(manifest.source):
            why = (
                f"it is of {lock.source} {lock.asked_for}".rstrip() + ", its manifest's of another"
            )
        return State("damaged" if why else "there", folder, why)
    if partial.is_dir():
        size = sum(f.stat().st_size for f in partial.rglob("*") if f.is_file())
        return State("partial", folder, partial_bytes=size)
    return State("missing", folder)


def first_wrong(manifest: Manifest, folder: Path, lock: Lock | None) -> str:
    """The first file that is missing or has another size than it should; empty: none."""
    for file in manifest.files:
        locked = lock.files.get(file.path) if lock else None
        if lock and locked is None:
            return f"{file.path} is new in its manifest"
        try:
            size = (folder / file.path).stat().st_size
        except OSError:
            return f"{file.path} is not in {folder}"
        for expected in (file.bytes, locked.bytes if locked else None):
            if expected is not None and size != expected:
                return f"{file.path} has {size} bytes instead of {expected}"
        if locked and file.sha256 and file.sha256 != locked.sha256:
            return f"{file.path} is not the one that its manifest pins by now"
    return ""


def path_of(manifest: Manifest, folder: Path) -> Path:
    """The path that an engine gets: the main file, the only file, or the folder."""
    if manifest.main:
        return folder / manifest.main
    return folder / manifest.files[0].path if len(manifest.files) == 1 else folder
