"""The record of a model's bytes since they were first fetched: revision, sizes, SHA-256.

An unpinned model is trusted on its first fetch; from then on every later fetch and every ``models
verify`` is compared with this file, also after the model was removed.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.guards.texts import parse_json
from pipelines.models.ids import SHA256, ModelFilesError
from pipelines.models.manifest import digest_of
from pipelines.models.paths import lock_path
from pipelines.models.sources import Source

FORMAT = 1


@dataclass(frozen=True, slots=True)
class LockedFile:
    """One file, as it was fetched."""

    bytes: int
    sha256: str
    """SHA-256, computed from the bytes."""
    checked_by: str
    """The check that the bytes passed before they were trusted: ``manifest``, ``hub sha256``, ``hub
    git`` (the hub's hash of a small file), or ``size`` alone."""


@dataclass(frozen=True, slots=True)
class Lock:
    """One model, as it was fetched."""

    source: str
    """Repository or address."""
    asked_for: str
    """The revision that its manifest named; if it names another by now (and not the commit of this
    lock), this lock is void."""
    revision: str
    """The commit of these files by the hub; empty for a plain address."""
    fetched_utc: str
    files: dict[str, LockedFile]
    """Path → file."""

    def is_of(self, source: Source) -> bool:
        """True if a manifest that names this source still means the files that were fetched."""
        return self.source == source.at and source.revision in (self.asked_for, self.revision)

    @property
    def digest(self) -> str:
        """The HASH of ``name@sha256:HASH``."""
        return digest_of({path: file.sha256 for path, file in self.files.items()})

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files.values())


def read_lock(model_id: str) -> Lock | None:
    """The record of a model; None: it was never fetched.

    Raises:
        ModelFilesError: the file is damaged.
    """
    path = lock_path(model_id)
    try:
        table = parse_json(path.read_bytes())
        return _lock(table)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelFilesError(
            f"{path} can't be read ({error.strerror}): change its permissions."
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ModelFilesError(
            f"{path} is damaged, so that {model_id} can't be verified: remove that file and "
            f"'duplex-lab models fetch {model_id}' again."
        ) from None


def _lock(table: dict[str, Any]) -> Lock:
    files = {path: LockedFile(**file) for path, file in table["files"].items()}
    for file in files.values():
        if not isinstance(file.bytes, int) or not SHA256.fullmatch(file.sha256):
            raise ValueError
    keys = ("source", "asked_for", "revision", "fetched_utc")
    return Lock(**{key: str(table[key]) for key in keys}, files=files)


def write_lock(model_id: str, lock: Lock) -> None:
    """Writes it, whole or not at all."""
    path = lock_path(model_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        text = json.dumps({"format": FORMAT, "id": model_id, **asdict(lock)}, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
