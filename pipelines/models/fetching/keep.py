"""Verifying fetched files, byte by byte, and removing them."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipelines.cache import Tell, building, silent
from pipelines.models.fetching.fetch import Watch, no_watch
from pipelines.models.fetching.hub_errors import disk_sentence
from pipelines.models.find import fetch_line
from pipelines.models.hashing import hashes_of
from pipelines.models.ids import ModelFilesError
from pipelines.models.lockfile import Lock, read_lock
from pipelines.models.manifest import Manifest
from pipelines.models.paths import VARIABLE, lock_path, model_folder, partial_folder
from pipelines.models.state import state_of


def verify(manifest: Manifest, watch: Watch = no_watch) -> list[str]:
    """Reads every file, and compares it with its manifest and the record of its fetch.

    Returns:
        A sentence for each file that differs; empty: none does.

    Raises:
        ModelFilesError: the model is not here, so that there is nothing to verify.
    """
    state = state_of(manifest)
    if state.folder is None or state.word in ("missing", "partial"):
        raise ModelFilesError(
            f"{manifest.id} is not here, so that there is nothing to verify: "
            f"{fetch_line([manifest.id])}"
        )
    lock = read_lock(manifest.id) if manifest.source.fetched else None
    if manifest.source.fetched and lock is None:
        return [f"{manifest.id}: {state.why}: {fetch_line([manifest.id])}"]
    mend = "fetch" if manifest.source.fetched else "install"
    told = []
    for file in manifest.files:
        watch(file.path, 0, file.bytes)
        pinned = {file.sha256} - {""} | _locked(lock, file.path)
        if why := _wrong(state.folder / file.path, pinned):
            told.append(f"{manifest.id}: {file.path} {why}: {mend} it again.")
    return told


def _locked(lock: Lock | None, path: str) -> set[str]:
    return {lock.files[path].sha256} if lock and path in lock.files else set()


def _wrong(path: Path, hashes: set[str]) -> str:
    try:
        found = hashes_of(path).sha256
    except OSError as error:
        return f"can't be read ({error.strerror})"
    others = hashes - {found}
    if not hashes:
        return "is unknown, neither pinned nor fetched"
    return f"is damaged (its SHA-256 is {found} instead of {others.pop()})" if others else ""


def remove(manifest: Manifest, *, forget: bool = False, tell: Tell = silent) -> int:
    """Removes a model's files, also half-fetched ones.

    Args:
        manifest: The model.
        forget: Also discard the record of its bytes, so that the next fetch is trusted as if it
            were the first.
        tell: Takes a line if another process is at work on it.

    Returns:
        Number of bytes freed.

    Raises:
        ModelFilesError: there is nothing to remove, or it can't be removed.
    """
    if not manifest.source.fetched:
        raise ModelFilesError(
            f"{manifest.id} comes with {manifest.source.at!r}, and is removed with that alone."
        )
    folder, partial = model_folder(manifest.id), partial_folder(manifest.id)
    if not any(place.exists() for place in (folder, partial)) and not (
        forget and lock_path(manifest.id).exists()
    ):
        raise ModelFilesError(f"{manifest.id} is not here: there is nothing to remove.")
    with building(partial, tell, VARIABLE):
        try:
            freed = _bytes_of(folder) + _bytes_of(partial)
            if partial.exists():
                shutil.rmtree(partial)
            if folder.exists():
                folder.rename(partial)  # a killed removal leaves no half model
                shutil.rmtree(partial)
            if forget:
                lock_path(manifest.id).unlink(missing_ok=True)
        except OSError as error:
            raise ModelFilesError(disk_sentence(error, str(folder))) from error
    return freed


def _bytes_of(folder: Path) -> int:
    return sum(f.lstat().st_size for f in folder.rglob("*") if not f.is_dir())
