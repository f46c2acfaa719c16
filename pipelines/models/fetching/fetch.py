"""Fetching a model: disk space before, SHA-256 after, and the folder appears whole or not at all.

Unfinished files lie in a folder of their own, one ``.part`` each; whatever ends a fetch, the next
one resumes it. Nothing else in the project downloads anything.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.cache import Tell, building, need_disk, silent
from pipelines.models.fetching import hub, wheels
from pipelines.models.fetching.hub_errors import disk_sentence
from pipelines.models.hashing import Hashes, hashes_of
from pipelines.models.ids import ModelFilesError
from pipelines.models.lockfile import Lock, LockedFile, read_lock, write_lock
from pipelines.models.manifest import Manifest, ModelFile, digest_of
from pipelines.models.parts import Part
from pipelines.models.paths import VARIABLE, model_folder, partial_folder
from pipelines.models.state import first_wrong, state_of

Watch = Callable[[str, int, int | None], None]
"""Takes a file's path, the number of its bytes that are there, and its size if that is known."""
PART = ".part"


@dataclass(frozen=True, slots=True)
class Expected:
    """The expectation of one file, from all that is known before its bytes arrive."""

    path: str
    remote: hub.Remote
    bytes: int | None
    sha256: str
    """SHA-256; empty: the server does not say, and nothing is pinned."""
    checked_by: str
    """Field of `LockedFile`: the check of its bytes."""
    parts: tuple[Part, ...] = ()
    """The files of wheels that it is made of; empty: the source serves it whole."""


def no_watch(_path: str, _done: int, _total: int | None) -> None:
    """A `Watch` that shows nothing."""


def fetch(
    manifest: Manifest,
    *,
    sha256: str = "",
    update: bool = False,
    tell: Tell = silent,
    watch: Watch = no_watch,
) -> bool:
    """Fetches a model's files, where they are missing.

    Args:
        manifest: The model.
        sha256: The digest requested by ``name@sha256:HASH``; empty: none.
        update: Forget the result of an earlier fetch of an unpinned model, and take its revision
            as it is now.
        tell: Takes lines about the progress.
        watch: Takes the number of bytes.

    Returns:
        Whether anything had to be fetched.

    Raises:
        ModelFilesError: it could not be fetched; what has come is kept, unless it was damaged.
    """
    if not manifest.source.fetched:
        if (state := state_of(manifest)).word != "there":
            raise ModelFilesError(
                f"{manifest.id} comes with {manifest.source.at!r} and is not whole ({state.why}): "
                "install that again; there is nothing to fetch."
            )
        return False
    partial = partial_folder(manifest.id)
    with building(partial, tell, VARIABLE):
        lock = None if update else _usable(read_lock(manifest.id), manifest)
        if lock and model_folder(manifest.id).is_dir() and not _wrong(manifest, lock):
            _check_digest(manifest, lock, sha256)
            return False
        revision = lock.revision if lock and lock.revision else manifest.source.revision
        paths = [file.path for file in manifest.files]
        remotes = (
            [hub.Remote(path, "") for path in paths]  # all is pinned: nobody has to be asked
            if manifest.source.kind == "index"
            else hub.look(manifest.source, paths, revision)
        )
        expected = _expect(manifest, remotes, lock)
        try:
            _take_back(manifest.id, partial)
            locked = _bring(manifest, expected, partial, tell, watch)
        except OSError as error:
            raise ModelFilesError(disk_sentence(error, str(partial))) from error
        new = Lock(
            manifest.source.at,
            manifest.source.revision,
            expected[0].remote.commit,
            datetime.now(UTC).isoformat(timespec="seconds"),
            locked,
        )
        _check_digest(manifest, new, sha256)
        try:
            _finish(manifest.id, partial, new)
        except OSError as error:
            raise ModelFilesError(disk_sentence(error, str(partial))) from error
    return True


def _usable(lock: Lock | None, manifest: Manifest) -> Lock | None:
    """What is known of the model, unless its manifest has changed to another source."""
    return lock if lock and lock.is_of(manifest.source) else None


def _wrong(manifest: Manifest, lock: Lock) -> str:
    return first_wrong(manifest, model_folder(manifest.id), lock)


def _expect(manifest: Manifest, remotes: list[hub.Remote], lock: Lock | None) -> list[Expected]:
    """Combines the statements of manifest, server and an earlier fetch; they must agree.

    Raises:
        ModelFilesError: they disagree.
    """
    return [
        _expect_file(manifest.id, file, remote, lock.files.get(file.path) if lock else None)
        for file, remote in zip(manifest.files, remotes, strict=True)
    ]


def _expect_file(
    model_id: str, file: ModelFile, remote: hub.Remote, locked: LockedFile | None
) -> Expected:
    said = [
        ("its manifest", file.bytes, file.sha256),
        ("its first fetch", *((locked.bytes, locked.sha256) if locked else (None, ""))),
        ("its server", remote.bytes, remote.sha256),
    ]
    sizes = [(who, size) for who, size, _ in said if size is not None]
    hashes = [(who, sha256) for who, _, sha256 in said if sha256]
    for values, what in ((sizes, "bytes"), (hashes, "sha256")):
        for who, value in values[1:]:
            if value != values[0][1]:
                raise ModelFilesError(
                    f"{model_id}: {file.path} is not what it was: {what} is {values[0][1]} "
                    f"by {values[0][0]} and {value} by {who}; nothing was fetched. If you trust "
                    "the new one, correct the manifest, or fetch with --update."
                )
    by = "size"
    if remote.git_sha1:
        by = "hub git"
    if remote.sha256:
        by = "hub sha256"
    if file.pinned:
        by = "manifest"
    size = int(sizes[0][1]) if sizes else None
    sha256 = str(hashes[0][1]) if hashes else ""
    return Expected(file.path, remote, size, sha256, by, file.parts)


def _take_back(model_id: str, partial: Path) -> None:
    """Turns an incomplete folder into a partial fetch: its good files are not fetched again."""
    folder = model_folder(model_id)
    if not folder.is_dir():
        return
    if partial.exists():
        shutil.rmtree(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(partial)


def _bring(
    manifest: Manifest, expected: list[Expected], partial: Path, tell: Tell, watch: Watch
) -> dict[str, LockedFile]:
    """All files in the folder of unfinished ones, each checked against its expectation."""
    needed = 0
    todo: list[Expected] = []
    locked: dict[str, LockedFile] = {}
    for file in expected:
        found = _whole(file, partial / file.path)
        if found:
            locked[file.path] = LockedFile(found.bytes, found.sha256, file.checked_by)
            continue
        todo.append(file)
        part = part_of(file, partial)
        needed += (file.bytes or 0) - (part.stat().st_size if part.exists() else 0)
    need_disk(partial, needed, f"fetching {manifest.id}", VARIABLE)
    for file in todo:
        part = part_of(file, partial)
        part.parent.mkdir(parents=True, exist_ok=True)

        def advance(done: int, path: str = file.path, total: int | None = file.bytes) -> None:
            watch(path, done, total)

        have = part.stat().st_size if part.exists() and not file.parts else 0
        if have:
            tell(f"{file.path}: {have} bytes are there from the last attempt")
        advance(have)
        if file.parts:
            wheels.take_out(
                file.parts, part, file.bytes or 0, partial=partial, advance=advance, watch=watch
            )
        else:
            hub.download(manifest.source, file.remote, part, file.bytes, advance)
        hashes = hashes_of(part)
        if why := _differs(file, hashes):
            part.unlink()
            raise ModelFilesError(
                f"{manifest.id}: {file.path} arrived damaged ({why}): it was thrown away, fetch "
                "again; if that happens twice, its source serves another file than it says."
            )
        part.replace(partial / file.path)
        locked[file.path] = LockedFile(hashes.bytes, hashes.sha256, file.checked_by)
    return {file.path: locked[file.path] for file in expected}


def part_of(file: Expected, partial: Path) -> Path:
    """Path of an unfinished file; another version of it has another path."""
    path = partial / file.path
    return path.with_name(f"{path.name}.{file.sha256[:12] or file.remote.identity}{PART}")


def _whole(file: Expected, path: Path) -> Hashes | None:
    """The hashes of a file that needs no fetching; None: it does, or nothing is known of it."""
    if not path.is_file() or not (file.sha256 or file.remote.git_sha1):
        return None
    hashes = hashes_of(path)
    return None if _differs(file, hashes) else hashes


def _differs(file: Expected, found: Hashes) -> str:
    """The difference of the bytes from the expectation; empty: none."""
    if file.bytes is not None and found.bytes != file.bytes:
        return f"{found.bytes} bytes instead of {file.bytes}"
    if file.sha256 and found.sha256 != file.sha256:
        return f"its SHA-256 is {found.sha256} instead of {file.sha256}"
    if file.remote.git_sha1 and found.git_sha1 != file.remote.git_sha1:
        return f"git's hash is {found.git_sha1} instead of {file.remote.git_sha1}"
    return ""


def _check_digest(manifest: Manifest, lock: Lock, wanted: str) -> None:
    """Compares the fetched files with ``name@sha256:HASH``."""
    digest = digest_of({f.path: lock.files[f.path].sha256 for f in manifest.files})
    if wanted and digest != wanted:
        raise ModelFilesError(
            f"{manifest.id} is sha256:{digest}, and sha256:{wanted} was asked for: it is not "
            "taken; ask for it by its variant if it is the one that you mean."
        )


def _finish(model_id: str, partial: Path, lock: Lock) -> None:
    """Makes the folder appear, with nothing in it but the model's files."""
    for path in sorted(partial.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(partial).as_posix() not in lock.files:
            path.unlink()
    for name in lock.files:
        with (partial / name).open("rb") as file:
            os.fsync(file.fileno())
    write_lock(model_id, lock)
    partial.rename(model_folder(model_id))
