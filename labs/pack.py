"""One zip to hand in, with a hash of every file; and safe unpacking of any zip."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bench.store.atomic import atomic_write, explained
from bench.store.store import read_json
from labs.check import Lab
from pipelines.errors import LabError
from pipelines.guards.texts import whole

MANIFEST = "submission.json"
LARGEST_FILES = 2000
LARGEST_MB = 500
"""Largest size of all files together, unpacked, MB."""
LARGEST_RATIO = 200
"""Largest ratio of unpacked to packed bytes of a file above `SMALL` bytes; Parquet and FLAC hardly
shrink."""
SMALL = 2**20
STEP = 2**16
SKIPPED = ("__pycache__", ".lock", ".DS_Store")


class PackError(LabError):
    """A submission can't be packed or unpacked; the text says why."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of `MANIFEST`."""

    lab: str
    student: str
    files: dict[str, str]
    """Path → sha256, as packed."""


def pack(lab: Lab, folder: Path, student: str, out: Path) -> int:
    """Packs what a lab asks for into one zip.

    Args:
        lab: The lab.
        folder: Where the student works.
        student: Who hands in.
        out: The zip; written whole or not at all.

    Returns:
        How many files.

    Raises:
        PackError: nothing is there, or a link is among it, or it is too much.
    """
    files = _wanted(lab, folder)
    total = sum(path.stat().st_size for path in files.values())
    if not files:
        raise PackError(f"{folder}: nothing of what lab {lab.name} asks for is there.")
    if len(files) >= LARGEST_FILES or total > LARGEST_MB * 2**20:
        raise PackError(
            f"{folder}: {len(files)} files of {total / 2**20:.0f} MB are too much "
            f"({LARGEST_FILES} files, {LARGEST_MB} MB); hand in only what the lab asks for."
        )
    hashes: dict[str, str] = {}
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        with explained(out), zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in files.items():
                data = path.read_bytes()
                hashes[name] = hashlib.sha256(data).hexdigest()
                archive.writestr(name, data)
            table = {"lab": lab.name, "student": student, "files": hashes}
            archive.writestr(MANIFEST, json.dumps(table, indent=1, ensure_ascii=False))
        with explained(out):
            temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return len(files)


def _wanted(lab: Lab, folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for pattern in lab.files:
        for path in sorted(folder.glob(pattern)):
            inside = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in inside:
                relative = file.relative_to(folder)
                if any(part in SKIPPED for part in relative.parts):
                    continue
                if file.is_symlink():
                    raise PackError(f"{file}: is a link; put the file itself there.")
                if file.is_file():
                    found[relative.as_posix()] = file
    return found


def unpack(path: Path, into: Path) -> None:
    """Unpacks a zip of unknown origin.

    A zip is refused as a whole, before or while it is written: names that lead out of the folder,
    links and devices, files that meet under one name, too many files, too many bytes, and files
    that grow too much. Sizes are counted as the bytes come, not as the zip says.

    Raises:
        PackError: the zip is broken or refused.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_names(archive)
            left = LARGEST_MB * 2**20
            for entry in archive.infolist():
                if not entry.is_dir():
                    left -= _write(archive, entry, into / entry.filename, left)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise PackError(f"{path.name}: is no whole zip ({error}).") from None
    except OSError as error:
        raise PackError(f"{path.name}: can't be unpacked ({error.strerror or error}).") from None
    except Exception as error:  # zlib.error, lzma.LZMAError: the data is broken
        if isinstance(error, PackError):
            raise
        raise PackError(f"{path.name}: is no whole zip ({error}).") from None


def _check_names(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if len(entries) > LARGEST_FILES:
        raise PackError(f"refused: {len(entries)} files, more than {LARGEST_FILES}.")
    seen: set[str] = set()
    for entry in entries:
        name = PurePosixPath(entry.filename)
        odd = "\\" in entry.filename or ":" in entry.filename or "\0" in entry.filename
        if name.is_absolute() or ".." in name.parts or odd or not name.parts:
            raise PackError(f"refused: the name {entry.filename!r} leads out of the folder.")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise PackError(f"refused: {entry.filename!r} is a link or a device, not a file.")
        key = str(name).casefold()
        if key in seen:
            raise PackError(f"refused: the name {entry.filename!r} is there twice.")
        seen.add(key)


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, to: Path, left: int) -> int:
    """Writes one file; returns its size."""
    to.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with archive.open(entry) as source, to.open("xb") as target:
        while block := source.read(STEP):
            size += len(block)
            if size > left:
                raise PackError(f"refused: a zip bomb, more than {LARGEST_MB} MB unpacked.")
            if size > SMALL and size > LARGEST_RATIO * max(1, entry.compress_size):
                raise PackError(
                    f"refused: a zip bomb, {entry.filename!r} grows over {LARGEST_RATIO} times."
                )
            target.write(block)
    return size


def read_manifest(folder: Path) -> Manifest:
    """Reads what `pack` wrote.

    Raises:
        PackError: it is missing or says something else.
    """
    table: dict[str, Any] | None = read_json(folder / MANIFEST)
    if table is None:
        raise PackError(f"{MANIFEST} is missing: it was not packed by 'duplex-lab labs submit'.")
    files = table.get("files")
    if not isinstance(files, dict) or not all(isinstance(v, str) for v in files.values()):
        raise PackError(f"{MANIFEST}: has no list of files.")
    return Manifest(str(table.get("lab", "")), str(table.get("student", "")), files)


def changed_files(folder: Path, manifest: Manifest) -> list[str]:
    """The differences from the packed state, in words."""
    found = []
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            found.append(f"{name} was packed, but is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            found.append(f"{name} was changed after it was packed")
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    extra = sorted(present - set(manifest.files) - {MANIFEST})
    return [*found, *(f"{name} was added after the rest was packed" for name in extra)]


def write_report(path: Path, text: str) -> None:
    """Writes a page or a table, whole or not at all."""
    atomic_write(path, whole(text).encode())
