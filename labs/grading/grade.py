"""Grades a class: one submission after the other, each in a process of its own; then the copies.

Whatever a submission does to its worker, the next one is graded.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
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
FEW = 3
"""Submissions for which importing everything beforehand is not worth it."""
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
    with Workers(warm=len(paths) > FEW) as workers:
        for path in paths:
            order = {"path": str(path.resolve()), "lab": lab, "bwrap": bwrap, "call_s": call_s}
            one = workers.grade(path, order, worker_s)
            tell(f"{path.name}: {one.error or f'{one.passed} of {len(one.results)} checks'}")
            graded.append(one)
    return with_copies(graded)


class Workers:
    """Grades in a child for each submission, forked from a process that has imported its code."""

    def __init__(self, warm: bool) -> None:
        """Makes one.

        Args:
            warm: Whether it imports all before the first submission: worth it for several.
        """
        self._warm = ["warm"] if warm else []
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            _kill(self._process)

    def grade(self, path: Path, order: Mapping[str, Any], worker_s: float) -> Graded:
        """The result for one submission, whatever it does to its worker.

        Args:
            path: The submission.
            order: See `labs.grading.worker`.
            worker_s: Longest time.
        """
        with tempfile.NamedTemporaryFile() as answer:
            try:
                code = self._work({**order, "answer": answer.name}, worker_s)
            except TimeoutError:
                return Graded(path.name, error=f"it was not graded within {worker_s:g} s")
            try:
                return Graded(**parse_json(answer.read()))
            except (ValueError, TypeError):
                return Graded(path.name, error=f"its grading ended with code {code}")

    def _work(self, order: Mapping[str, Any], worker_s: float) -> int:
        """The exit code of the child that worked."""
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        pid = process.stdout.readline()
        if not pid:
            return process.wait()
        ready, _, _ = select.select([process.stdout], [], [], worker_s)
        if not ready:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(int(pid), signal.SIGKILL)
        code = process.stdout.readline()
        if not ready:
            raise TimeoutError
        return int(code) if code else process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                # -P: a folder among the submissions may be named as one of our packages, or numpy.
                [sys.executable, "-P", "-m", "labs.grading.worker", *self._warm],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                bufsize=0,
            )
        return self._process


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


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
