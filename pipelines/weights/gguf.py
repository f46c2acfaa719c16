"""Checks a GGUF file before a library that would crash on it does; standard library only."""

from __future__ import annotations

import hashlib
import struct
import tomllib
from pathlib import Path
from typing import Any, BinaryIO

from pipelines.process.engine import EngineError

_GGUF_MAGIC = b"GGUF"
_PLAIN = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q",
    12: "<d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_MOST = 1 << 31


def check_gguf(path: Path) -> None:
    """Checks a model file before a library loads it.

    A ``manifest.toml`` beside it may name it (``file``) and hold its ``sha256``.

    Raises:
        EngineError: the file is missing, not a GGUF, or not the one that the manifest names.
    """
    expected = _manifest_sha256(path)
    try:
        with path.open("rb") as file:
            magic = file.read(len(_GGUF_MAGIC))
            file.seek(0)
            found = hashlib.file_digest(file, "sha256").hexdigest() if expected else ""
    except OSError as error:
        raise EngineError(
            f"the model file {path} can't be read ({error.strerror}): restore or fetch it"
        ) from error
    if magic != _GGUF_MAGIC:
        raise EngineError(f"{path} is not a GGUF file: restore or fetch it again")
    if found != expected:
        raise EngineError(
            f"{path} is damaged (its SHA-256 is not that of manifest.toml): restore or fetch it"
        )


def read_facts(path: Path) -> dict[str, Any]:
    """The file's facts: its metadata, without the lists; no tensor is read.

    Raises:
        EngineError: the file is missing, or its head is damaged.
    """
    facts: dict[str, Any] = {}
    try:
        with path.open("rb") as file:
            if file.read(4) != _GGUF_MAGIC:
                raise EngineError(f"{path} is not a GGUF file: restore or fetch it again")
            _, _, count = struct.unpack("<IQQ", file.read(20))
            for _ in range(count):
                key = _string(file)
                (kind,) = struct.unpack("<I", file.read(4))
                value = _value(file, kind)
                if kind != _ARRAY:
                    facts[key] = value
    except OSError as error:
        raise EngineError(
            f"the model file {path} can't be read ({error.strerror}): restore or fetch it"
        ) from error
    except (struct.error, ValueError, KeyError) as error:
        raise EngineError(f"can't load {path.name}: its head is damaged, fetch it again") from error
    return facts


def _string(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _MOST:
        raise ValueError("a text without end")
    data = file.read(length)
    if len(data) != length:
        raise ValueError("cut")
    return data.decode("utf-8", "replace")


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        inner, count = struct.unpack("<IQ", file.read(12))
        if inner in _PLAIN:
            file.seek(struct.calcsize(_PLAIN[inner]) * count, 1)
        else:
            for _ in range(count):
                _value(file, inner)
        return None
    form = _PLAIN[kind]
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def _manifest_sha256(path: Path) -> str:
    manifest = path.parent / "manifest.toml"
    if not manifest.is_file():
        return ""
    try:
        table = tomllib.loads(manifest.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EngineError(f"{manifest} can't be read: {error}") from error
    return str(table.get("sha256", "")) if table.get("file") == path.name else ""
