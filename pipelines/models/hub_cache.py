"""The hub's own cache, where other programs may have left a repository: read, never written."""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.models.sources import DEFAULT_REVISION


def cache_root() -> Path:
    """``$HF_HUB_CACHE``, or ``hub`` in ``$HF_HOME``, or the hub client's default."""
    if chosen := os.environ.get("HF_HUB_CACHE"):
        return Path(chosen).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache).expanduser() / "huggingface" / "hub"


def cached_repo(repo: str, revision: str = DEFAULT_REVISION) -> Path | None:
    """The folder of a repository's snapshot; None: it is not in the cache.

    Its files may be fewer than the repository's, and are not verified.
    """
    folder = cache_root() / f"models--{repo.replace('/', '--')}"
    try:
        commit = (folder / "refs" / revision).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        commit = revision
    snapshot = folder / "snapshots" / commit
    return snapshot if commit and snapshot.is_dir() else None
