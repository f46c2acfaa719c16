"""Copies a lab's starter and its task into a student's folder; runs a lab's worked solution."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from labs import catalogue
from pipelines.errors import LabError

SKIPPED = ("__pycache__", "__init__.py")


def copy_starter(name: str, folder: Path) -> int:
    """Copies ``starter/`` and ``README.md``.

    Args:
        name: The lab.
        folder: Where to; made if need be.

    Returns:
        How many files.

    Raises:
        LabError: a file of that name lies there already, or the folder can't be written.
    """
    home = catalogue.folder(name)
    files = _files(home / "starter")
    files[Path("README.md")] = home / "README.md"
    for relative in files:
        if (folder / relative).exists():
            raise LabError(
                f"{folder / relative} is there already: name another folder, "
                "so that no work of yours is replaced."
            )
    _copy(files, folder)
    return len(files)


def solve(name: str, folder: Path) -> None:
    """Lays a lab's worked solution over its starter, and runs its ``solve.py`` there.

    Raises:
        LabError: the folder holds work already, or the solution fails.
    """
    copy_starter(name, folder)
    _copy(_files(catalogue.folder(name) / "solution"), folder)
    done = subprocess.run([sys.executable, "solve.py"], cwd=folder, check=False)
    if done.returncode != 0:
        raise LabError(f"{folder / 'solve.py'} ended with code {done.returncode}.")


def _files(folder: Path) -> dict[Path, Path]:
    """Where to → from where, of all files of a folder."""
    return {
        path.relative_to(folder): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part in SKIPPED for part in path.relative_to(folder).parts)
    }


def _copy(files: dict[Path, Path], folder: Path) -> None:
    try:
        for relative, source in files.items():
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / relative)
    except OSError as error:
        raise LabError(f"{folder}: can't be written ({error.strerror}); name another.") from None
