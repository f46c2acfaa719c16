"""Graphs that were written for a checkpoint once, and are kept in the cache.

A folder appears when it is whole. Its name holds the checkpoint's header, size and time, the
version of these files and whatever else they depend on, so that another checkpoint, or another
version of ours, gets a folder of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.cache import Tell, building, cache_folder, need_disk, silent
from pipelines.guards.texts import parse_json
from pipelines.weights.error import WeightsError
from pipelines.weights.safetensors import Reader

FORMAT = 4
"""Version of what is written: a change of a graph gets a new number."""
FACTS_NAME = "facts.json"

Write = Callable[[Path, Reader], dict[str, Any]]
"""(folder, checkpoint) → facts about what was written there."""


def ensure(
    checkpoint: Path, kind: str, write: Write, needed_bytes: float, tell: Tell = silent
) -> tuple[Path, dict[str, Any]]:
    """The folder of a checkpoint's graphs, written first where it is missing.

    Args:
        checkpoint: A safetensors file.
        kind: Begins the folder's name, and says all that its contents depend on beside the file.
        write: Writes the graphs into a folder.
        needed_bytes: Largest size of the folder, while it is written.
        tell: Takes the progress.

    Returns:
        The folder, and the facts about it.

    Raises:
        LabError: the checkpoint is damaged or of another shape, or the cache can't be written.
    """
    folder = folder_of(checkpoint, kind)
    if (found := _facts(folder)) is None:
        with building(folder, tell):
            if (found := _facts(folder)) is None:
                need_disk(folder, needed_bytes, f"writing {checkpoint.name} for ONNX Runtime")
                tell(f"writing {checkpoint.name} for ONNX Runtime, once")
                found = _write(folder, checkpoint, write)
    return folder, found


def folder_of(checkpoint: Path, kind: str) -> Path:
    """Folder of a checkpoint's graphs, which may not exist.

    Raises:
        WeightsError: the checkpoint can't be read.
    """
    try:
        with checkpoint.open("rb") as file:
            key = hashlib.sha256(file.read(1 << 20))
            status = os.fstat(file.fileno())
    except OSError as error:
        raise WeightsError(
            f"{checkpoint} can't be read ({error.strerror}): restore it, or fetch or make it again"
        ) from error
    key.update(repr((status.st_size, status.st_mtime_ns, FORMAT)).encode())
    return cache_folder() / "onnx" / f"{kind}-{key.hexdigest()[:12]}"


def _facts(folder: Path) -> dict[str, Any] | None:
    """The facts about a finished folder whose files have their sizes still; else None."""
    try:
        facts = parse_json((folder / FACTS_NAME).read_bytes())
        if not isinstance(facts, dict):
            return None
        sizes: dict[str, int] = facts["files"]
        whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return facts if whole else None


def _write(folder: Path, checkpoint: Path, write: Write) -> dict[str, Any]:
    temporary = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed run: the lock is ours
    reader = Reader(checkpoint)
    try:
        temporary.mkdir(parents=True)
        facts = write(temporary, reader)
        facts["files"] = {path.name: path.stat().st_size for path in sorted(temporary.iterdir())}
        (temporary / FACTS_NAME).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # of another size than it should have
        temporary.rename(folder)
    except OSError as error:
        raise WeightsError(
            f"{folder} can't be written ({error.strerror}): free some disk, or name another folder "
            "by DUPLEX_LAB_CACHE"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return facts
