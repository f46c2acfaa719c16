"""Checks a GGUF file before a library that would crash on it does; standard library only."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

from pipelines.engine import EngineError

_GGUF_MAGIC = b"GGUF"


def check_gguf(path: Path) -> None:
    """Says what is wrong with a model file before a library meets it.

    A ``manifest.toml`` beside it may name it (``file``) and hold its ``sha256``.

    Raises:
        EngineError: the file is missing, no GGUF, or not the one that the manifest names.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"the model file {path} can't be read ({error.strerror}): restore or fetch it"
        ) from error
    if not data.startswith(_GGUF_MAGIC):
        raise EngineError(f"{path} is not a GGUF file: restore or fetch it again")
    expected = _manifest_sha256(path)
    if expected and hashlib.sha256(data).hexdigest() != expected:
        raise EngineError(
            f"{path} is damaged (its SHA-256 is not that of manifest.toml): restore or fetch it"
        )


def _manifest_sha256(path: Path) -> str:
    manifest = path.parent / "manifest.toml"
    if not manifest.is_file():
        return ""
    try:
        table = tomllib.loads(manifest.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EngineError(f"{manifest} can't be read: {error}") from error
    return str(table.get("sha256", "")) if table.get("file") == path.name else ""
