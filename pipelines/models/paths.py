"""Where model files are kept, and which file names may be written there."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from pipelines.cache import cache_folder
from pipelines.models.ids import ModelFilesError

VARIABLE = "DUPLEX_LAB_MODELS"
SHIPPED = Path(__file__).parent
"""Manifests of this package: ``manifests/*.toml``, and beside models that ship with it."""


def models_folder() -> Path:
    """``$DUPLEX_LAB_MODELS``, or ``models`` in the cache folder; made when needed."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().absolute()
    return cache_folder() / "models"


def user_manifests() -> Path:
    """Folder of a user's own manifests, one TOML file each."""
    return models_folder() / "manifests"


def model_folder(model_id: str) -> Path:
    """Folder of a fetched model, whether it exists or not."""
    return models_folder() / model_id


def partial_folder(model_id: str) -> Path:
    """Folder of a model that is being fetched; a fetch resumes from its files."""
    return models_folder() / ".partial" / model_id


def lock_path(model_id: str) -> Path:
    """File with the record of the fetched bytes; it outlives the model's removal."""
    return models_folder() / "locks" / f"{model_id}.json"


def check_relative(path: str, where: str) -> None:
    """Refuses a file name that leads out of the model's folder, or that no file can have.

    Raises:
        ModelFilesError: it does.
    """
    parts = PurePosixPath(path).parts
    plain = path == "/".join(parts) and not path.startswith(("/", "~"))
    if not plain or ".." in parts or any(c in path for c in "\\:\0\n\r") or not path.strip(". "):
        raise ModelFilesError(
            f"{where}: path = {path!r} must be a plain path inside of the model's folder, "
            "such as 'model.bin' or 'voices/en.onnx'."
        )
    if any(part.endswith(".part") for part in parts):
        raise ModelFilesError(f"{where}: path = {path!r}: '.part' is kept for unfinished files.")
