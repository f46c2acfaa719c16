"""Pinning: a manifest with the commit, sizes and SHA-256 from a fetch, or from the hub."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.models.fetching import hub
from pipelines.models.fetching.hub_errors import disk_sentence
from pipelines.models.hashing import hashes_of
from pipelines.models.ids import ModelFilesError
from pipelines.models.lockfile import read_lock
from pipelines.models.manifest import Manifest, ModelFile
from pipelines.models.state import state_of

_OF_FILES = ("file", "bytes", "sha256", "source", "files", "revision")


def pinned(manifest: Manifest) -> str:
    """The manifest's text with every hash filled in.

    Fetched files keep the hashes of their fetch. Otherwise the hub is asked: it gives the hashes of
    large files; small ones are fetched to a temporary place and hashed.

    Raises:
        ModelFilesError: the files are not here and can't be asked for.
    """
    revision, files = _known(manifest) or _asked(manifest)
    sources = {file.path: file.parts for file in manifest.files}
    table = tomllib.loads(manifest.origin.read_text(encoding="utf-8"))
    top = {key: value for key, value in table.items() if key not in _OF_FILES}
    if manifest.source.kind == "hub":
        top["revision"] = revision
    lines = [f"{key} = {_toml(value)}" for key, value in top.items() if not _is_table(value)]
    for key, value in top.items():
        if _is_table(value):
            lines += ["", f"[{key}]", *(f"{k} = {_toml(v)}" for k, v in value.items())]
    for file in files:
        lines += ["", "[[files]]", f"path = {_toml(file.path)}"]
        lines += [f"bytes = {file.bytes}", f"sha256 = {_toml(file.sha256)}"]
        if parts := [part.text for part in sources[file.path]]:
            lines.append(f"source = {_toml(parts if len(parts) > 1 else parts[0])}")
    return "\n".join(lines) + "\n"


def write_pinned(manifest: Manifest) -> Path:
    """Replaces the manifest's file by the pinned text; its comments are lost.

    Raises:
        ModelFilesError: as `pinned`, or the file can't be written.
    """
    text, path = pinned(manifest), manifest.origin
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise ModelFilesError(disk_sentence(error, str(path))) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _known(manifest: Manifest) -> tuple[str, list[ModelFile]] | None:
    """The record of files on disk, or fetched at some time; None: there is none."""
    if not manifest.source.fetched:
        state = state_of(manifest)
        if state.folder is None or state.word == "damaged":
            raise ModelFilesError(f"{manifest.id}: {state.why}: there is nothing to pin.")
        found = {f.path: hashes_of(state.folder / f.path) for f in manifest.files}
        return "", [ModelFile(p, h.bytes, h.sha256) for p, h in found.items()]
    lock = read_lock(manifest.id)
    if lock is None or not lock.is_of(manifest.source):
        return None
    if any(file.path not in lock.files for file in manifest.files):
        return None
    kept = [(file.path, lock.files[file.path]) for file in manifest.files]
    return lock.revision, [ModelFile(path, f.bytes, f.sha256) for path, f in kept]


def _asked(manifest: Manifest) -> tuple[str, list[ModelFile]]:
    """The hub's facts about files that are not here."""
    if manifest.source.kind in ("url", "index"):
        return "", list(manifest.files)  # such a manifest is pinned
    paths = [file.path for file in manifest.files]
    remotes = hub.look(manifest.source, paths, manifest.source.revision)
    return remotes[0].commit, [_file(manifest, remote) for remote in remotes]


def _file(manifest: Manifest, remote: hub.Remote) -> ModelFile:
    if remote.sha256 and remote.bytes is not None:
        return ModelFile(remote.path, remote.bytes, remote.sha256)
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "file"
        hub.download(manifest.source, remote, part, remote.bytes, lambda _: None)
        found = hashes_of(part)
    if remote.git_sha1 and found.git_sha1 != remote.git_sha1:
        raise ModelFilesError(f"{manifest.id}: {remote.path} arrived damaged: pin it again.")
    return ModelFile(remote.path, found.bytes, found.sha256)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # of texts, numbers, true and false: TOML's too
