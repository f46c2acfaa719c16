"""One model as a row of a table or of JSON: its facts, and its state on this machine."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bench.cli.inventory.fetch_progress import size

if TYPE_CHECKING:
    from pipelines.models.manifest import Manifest
    from pipelines.models.state import State


@dataclass(frozen=True, slots=True)
class Row:
    """The columns of a model's row."""

    id: str
    title: str
    licence: str
    gated: bool
    source: str
    here: str
    """yes, no, in part, damaged, or in its package."""
    why: str
    """The fault; empty: none."""
    folder: str
    bytes: int | None
    """Size of all its files; None: unknown before it is fetched."""
    size: str
    """The size in words; with ``~`` the rounded one of its page."""
    memory_mb: dict[str, int]
    memory: str
    """The memory in words."""
    trust: str
    """pinned, trusted, or unpinned."""
    sha256: str
    """The HASH of name@sha256:HASH; empty if unknown."""
    manifest: str

    def to_dict(self) -> dict[str, Any]:
        """The row as plain types: numbers, and ``size`` and ``memory`` in words too."""
        return asdict(self)


def row_of(manifest: Manifest) -> Row:
    """The facts about a model; a damaged lock is reported in the row."""
    from pipelines.models.catalogue import digest
    from pipelines.models.ids import ModelFilesError
    from pipelines.models.lockfile import read_lock
    from pipelines.models.state import State, state_of

    try:
        state = state_of(manifest)
        lock = read_lock(manifest.id)
        sha256 = digest(manifest)
    except ModelFilesError as error:
        state, lock, sha256 = State("damaged", None, str(error)), None, ""
    known = manifest.bytes or (lock.bytes if lock else None)
    about = f"~{size(manifest.about_mb * 1e6)}" if manifest.about_mb else "–"
    memory = ", ".join(f"{d} {size(mb * 1e6)}" for d, mb in manifest.memory_mb.items())
    return Row(
        id=manifest.id,
        title=manifest.title,
        licence=manifest.licence,
        gated=manifest.gated,
        source=manifest.source.text,
        here=_here(manifest, state),
        why=state.why,
        folder=str(state.folder or ""),
        bytes=known,
        size=size(known) if known else about,
        memory_mb=dict(manifest.memory_mb),
        memory=memory or "–",
        trust="pinned" if manifest.pinned else "trusted" if lock else "unpinned",
        sha256=sha256,
        manifest=str(manifest.origin),
    )


def _here(manifest: Manifest, state: State) -> str:
    if state.word == "partial":
        whole = manifest.bytes or (manifest.about_mb or 0) * 1_000_000
        part = f" ({100 * state.partial_bytes // whole} %)" if whole else ""
        return f"in part{part}"
    words = {"there": "yes", "missing": "no", "damaged": "damaged"}
    ships = {"package": ", in its package", "shipped": ", ships"}.get(manifest.source.kind, "")
    return words[state.word] + (ships if state.word == "there" else "")


def places() -> dict[str, str]:
    """Folders of models, and how a fetch would go."""
    from pipelines.models.fetching import hub
    from pipelines.models.ids import ModelFilesError
    from pipelines.models.paths import models_folder, user_manifests

    folder = models_folder()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        address, token = hub.endpoint(), "found" if hub.has_token() else "none"
    except ModelFilesError as error:
        address, token = str(error), "unknown"
    offline = " (HF_HUB_OFFLINE is set: nothing can be fetched)"
    return {
        "folder": str(folder),
        "manifests": f"{user_manifests()} (your own)",
        "disk": f"{size(shutil.disk_usage(there).free)} free",
        "hub": address + (offline if os.environ.get("HF_HUB_OFFLINE") else ""),
        "token": token,
    }
