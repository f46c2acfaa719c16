"""Copies a lab's starter and its task into a student's folder; runs a lab's worked solution."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from labs import catalogue
from pipelines.errors import LabError

SKIPPED = ("__pycache__", "__init__.py")
TASK = "README.md"
_LINK = re.compile(r"\]\((?!https?:|#)([^)\s]+)\)")


def copy_starter(name: str, folder: Path) -> int:
    """Copies ``starter/`` and ``README.md``, whose links then lead from there to this package.

    Args:
        name: The lab.
        folder: Destination; made if need be.

    Returns:
        Number of files.

    Raises:
        LabError: a file of that name lies there already, or the folder can't be written.
    """
    home = catalogue.folder(name)
    files = _files(home / "starter")
    files[Path(TASK)] = home / TASK
    for relative in files:
        if (folder / relative).exists():
            raise LabError(
                f"{folder / relative} is there already: name another folder, "
                "so that no work of yours is replaced."
            )
    _copy(files, folder)
    task = (home / TASK).read_text(encoding="utf-8")
    (folder / TASK).write_text(led_from(task, home, folder), encoding="utf-8")
    return len(files)


def led_from(text: str, home: Path, folder: Path) -> str:
    """A page's text whose relative links lead from ``folder`` to where they led from ``home``."""

    def moved(link: re.Match[str]) -> str:
        target = os.path.relpath((home / link[1]).resolve(), folder.resolve())
        return f"]({Path(target).as_posix()})"

    return _LINK.sub(moved, text)


def solve(name: str, folder: Path) -> None:
    """Copies a lab's worked solution over its starter, and runs its ``solve.py`` there.

    Raises:
        LabError: the folder holds work already, or the solution fails.
    """
    copy_starter(name, folder)
    _copy(_files(catalogue.folder(name) / "solution"), folder)
    done = subprocess.run([sys.executable, "solve.py"], cwd=folder, check=False)
    if done.returncode != 0:
        raise LabError(f"{folder / 'solve.py'} ended with code {done.returncode}.")


def _files(folder: Path) -> dict[Path, Path]:
    """Destination → source, of all files of a folder."""
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
