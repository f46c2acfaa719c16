"""Grades a class: one submission after the other, each in a process of its own; then the copies.

Whatever a submission does to its worker, the next one is graded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from labs.grading.worker import Graded
from pipelines.errors import LabError
from pipelines.guards.texts import parse_json
from pipelines.process.scratch import sweep

WORKER_S = 900.0
"""Longest time for one submission."""
CALL_S = 20.0
"""Longest time for one call of its code."""


def submissions(folder: Path) -> list[Path]:
    """The submissions in a class's folder: zips and folders, by name.

    Raises:
        LabError: there is nothing.
    """
    if not folder.is_dir():
        raise LabError(f"{folder}: there is no such folder; name one that holds submissions.")
    found = sorted(p for p in folder.iterdir() if p.suffix == ".zip" or p.is_dir())
    found = [p for p in found if not p.name.startswith(".") and not p.is_symlink()]
    if not found:
        raise LabError(f"{folder}: there is no .zip and no folder in it to be graded.")
    return found


def grade_class(
    paths: Sequence[Path],
    lab: str,
    bwrap: str,
    tell: Callable[[str], None],
    *,
    worker_s: float = WORKER_S,
    call_s: float = CALL_S,
) -> list[Graded]:
    """Grades all submissions, and names what two of them share.

    Args:
        paths: Zips and folders.
        lab: The lab; empty: the one that each names.
        bwrap: Path of bubblewrap; empty: no code is run.
        tell: Takes a line for each.
        worker_s: Longest time for each.
        call_s: Longest time for each call of its code.
    """
    sweep()
    graded = []
    for path in paths:
        order = {"path": str(path.resolve()), "lab": lab, "bwrap": bwrap, "call_s": call_s}
        one = _in_worker(path, order, worker_s)
        tell(f"{path.name}: {one.error or f'{one.passed} of {len(one.results)} checks'}")
        graded.append(one)
    return with_copies(graded)


def _in_worker(path: Path, order: Mapping[str, Any], worker_s: float) -> Graded:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as fed:
        fed.write(json.dumps(order).encode())
        fed.seek(0)
        process = subprocess.Popen(
            # -P: a folder among the submissions may be named as one of our packages, or numpy.
            [sys.executable, "-P", "-m", "labs.grading.worker"],
            stdin=fed,
            stdout=out,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(worker_s)
        except subprocess.TimeoutExpired:
            return Graded(path.name, error=f"it was not graded within {worker_s:g} s")
        finally:
            _kill(process)
        out.seek(0)
        try:
            return Graded(**parse_json(out.read()))
        except (ValueError, TypeError):
            code = process.returncode
            return Graded(path.name, error=f"its grading ended with code {code}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def with_copies(graded: Sequence[Graded]) -> list[Graded]:
    """Adds to each submission what it shares with another: both are named, but not who copied."""
    owners: dict[str, list[int]] = {}
    for i, one in enumerate(graded):
        for digest in one.prints:
            owners.setdefault(digest, []).append(i)

    def shared(i: int) -> Iterator[dict[str, str]]:
        for digest, own in graded[i].prints.items():
            for other in owners[digest]:
                if other != i:
                    run, _, trial = own.partition(" of ")[2].partition("/")
                    theirs = graded[other]
                    text = f"the {own.partition(' of ')[0]} is also in {theirs.file}"
                    yield {
                        "run": run,
                        "trial": trial,
                        "kind": "copy",
                        "text": f"{text}, as {theirs.prints[digest]}",
                    }

    return [replace(g, findings=[*g.findings, *shared(i)]) for i, g in enumerate(graded)]
