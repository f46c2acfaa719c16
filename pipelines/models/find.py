"""From a preset's value, a model's id or a path, to the files on disk. Nothing is downloaded."""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.models.catalogue import load_catalogue
from pipelines.models.hub_cache import cached_repo
from pipelines.models.ids import ModelFilesError
from pipelines.models.manifest import Manifest
from pipelines.models.sources import is_repo
from pipelines.models.state import State, path_of, state_of


class MissingModelError(ModelFilesError):
    """A model is known, and its files are missing or incomplete."""

    def __init__(self, text: str, model_id: str) -> None:
        super().__init__(text)
        self.model_id = model_id
        """Argument for ``duplex-lab models fetch``; empty: it can't be fetched."""


def resolve(id_or_path: str | Path) -> Path:
    """The file or folder that a preset's option means; it exists when this returns.

    Args:
        id_or_path: ``name@variant``, ``name@sha256:HASH``, ``name`` where it has one variant, a
            repository of the hub (``owner/name``: fetched by its manifest, or in the hub's own
            cache, where nothing is verified), or the path of a file or folder (recognised by a
            ``/`` or a leading ``~`` or ``.``; or an existing path that is no model's name).

    Returns:
        The model's main file, its only file, or its folder (as its manifest says); or the path.

    Raises:
        MissingModelError: it is known and not here; the text holds the command that fetches it.
        ModelFilesError: it is unknown, or the path does not exist.
    """
    text = os.fspath(id_or_path)
    manifest = manifest_of(text)
    if manifest is not None:
        state = state_of(manifest)
        if state.word == "there" and state.folder is not None:
            return path_of(manifest, state.folder)
    cached = cached_repo(text) if is_repo(text) else None
    if cached is not None:
        return cached
    if manifest is not None:
        raise MissingModelError(*_missing(manifest, state))
    path = Path(text).expanduser()
    if not path.exists():
        raise ModelFilesError(
            f"There is no file or folder {text}, and it is no model that has a manifest: put it "
            "there, or name a model of 'duplex-lab models list'."
        )
    return path


def manifest_of(text: str) -> Manifest | None:
    """The model that a preset's option names; None: it is a path.

    Raises:
        ModelFilesError: it looks like an id, and no model has it; or a manifest is wrong.
    """
    catalogue = load_catalogue()
    if "/" in text or text.startswith(("~", ".")):
        return catalogue.of_repo(text) if is_repo(text) else None
    if text and not catalogue.has_name(text) and Path(text).exists():
        return None
    return catalogue.find(text)


def fetch_line(model_ids: list[str]) -> str:
    """The command that fetches models."""
    return f"duplex-lab models fetch {' '.join(model_ids)}"


def _missing(manifest: Manifest, state: State) -> tuple[str, str]:
    if not manifest.source.fetched:
        place = manifest.source.at
        return (
            f"The files of {manifest.id} come with {place!r} and are not whole there "
            f"({state.why}): install it again.",
            "",
        )
    words = {
        "partial": "is fetched in part only",
        "damaged": f"is not whole ({state.why})",
    }
    what = words.get(state.word, "is not on this machine")
    return f"The model {manifest.id} {what}; fetch it: {fetch_line([manifest.id])}", manifest.id
