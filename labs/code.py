"""Calls a function of a submission's code in a process of its own, inside a *box*.

A box is one method: it runs ``labs/child.py`` on a folder and returns its output. `OwnBox` is for
students, on their own code; the grader's box is the sandbox of `labs.grading.sandbox`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipelines.errors import LabError

CHILD = Path(__file__).parent / "child.py"
LARGEST_OUTPUT = 16 * 2**20
"""Most bytes that a call may return, or write anywhere."""


class CodeError(LabError):
    """The submitted code failed, was stopped, or returned an unusable value."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Resources of a call; the child limits itself before it reads any submitted code."""

    wall_s: float = 20.0
    cpu_s: int = 20
    memory_mb: int = 1024
    processes: int = 16
    """Number of processes and threads together; only inside a sandbox, where no others are
    counted."""
    file_mb: int = LARGEST_OUTPUT // 2**20


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended."""

    code: int
    """Its exit code; negative: the signal."""
    output: bytes
    """Its result."""
    said: str
    """The end of its output."""
    timed_out: bool


class Box(Protocol):
    """The place where submitted code runs."""

    def run(self, root: Path, order: Mapping[str, Any], limits: Limits) -> Ended:
        """Runs ``labs/child.py`` in the folder ``root``, with ``order`` on its stdin."""


class OwnBox:
    """No sandbox: for students on their own code. Limited in time and output only."""

    def run(self, root: Path, order: Mapping[str, Any], limits: Limits) -> Ended:
        """See `Box`."""
        order = {**order, "limits": {"cpu_s": limits.cpu_s, "file_mb": limits.file_mb}}
        return run_child([sys.executable, "-I", str(CHILD)], root, order, limits.wall_s)


def run_child(
    command: Sequence[str],
    root: Path | None,
    order: Mapping[str, Any],
    wall_s: float,
    **more: Any,
) -> Ended:
    """Runs a command to its end or for ``wall_s``; its whole process group ends with it.

    Output goes to files, whose size the child bounds: a flood can't fill this process's memory.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with tempfile.TemporaryFile() as fed:
            fed.write(json.dumps(order, default=_encoded).encode())
            fed.seek(0)
            process = subprocess.Popen(
                command,
                cwd=root,
                stdin=fed,
                stdout=out,
                stderr=err,
                start_new_session=True,
                env=_environment(),
                **more,
            )
        timed_out = False
        try:
            process.wait(wall_s)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            _kill_group(process)
        out.seek(0)
        err.seek(max(0, err.seek(0, os.SEEK_END) - 4000))
        said = err.read().decode(errors="replace")
        return Ended(process.returncode, out.read(LARGEST_OUTPUT), said, timed_out)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _environment() -> dict[str, str]:
    """An environment without the grader's own: no keys, no proxies, no home; one thread for each
    library.
    """
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **dict.fromkeys(threads, "1")}


def call(
    box: Box,
    root: Path,
    file: str,
    function: str,
    arguments: Sequence[Any],
    timeout_s: float,
    *,
    each: bool = False,
) -> Any:
    """Calls ``function`` of ``file`` in a box; with ``each`` once per argument, in one process.

    Raises:
        CodeError: it fails; the text says how.
    """
    limits = Limits(wall_s=timeout_s, cpu_s=max(1, round(timeout_s)))
    order = {"file": file, "function": function, "arguments": list(arguments), "each": each}
    ended = box.run(root, order, limits)
    where = f"{function}() of {file}"
    if ended.timed_out or ended.code in (-signal.SIGXCPU, 128 + signal.SIGXCPU):
        raise CodeError(f"{where} did not end within {timeout_s:g} s.")
    try:
        told = json.loads(ended.output, object_hook=_decoded) if ended.output else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        last = next((s for s in reversed(ended.said.strip().splitlines()) if s.strip()), "")
        raise CodeError(f"{where} ended with code {ended.code} and gave nothing back: {last[:200]}")
    if "error" in told:
        raise CodeError(f"{where} failed: {str(told['error'])[:300]}")
    if not _finite(told.get("result")):
        raise CodeError(f"{where} gave back a number that is not finite (NaN or infinity).")
    return told.get("result")


def _finite(value: object) -> bool:
    """True without NaN or infinity: by any comparison, NaN is neither right nor wrong."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "fc" or bool(np.isfinite(value).all())
    inside = value.values() if isinstance(value, dict) else value
    return not isinstance(inside, Iterable) or isinstance(inside, str) or all(map(_finite, inside))


def _encoded(value: object) -> Any:
    """Encodes what JSON lacks: numpy's arrays and numbers."""
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"ndarray": data, "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} can't be handed over")


def _decoded(table: dict[str, Any]) -> Any:
    if "ndarray" not in table:
        return table
    dtype = np.dtype(str(table["dtype"]))
    if dtype.hasobject:
        raise ValueError("objects can't be handed over")
    data = base64.b64decode(table["ndarray"])
    return np.frombuffer(data, dtype).reshape([int(n) for n in table["shape"]]).copy()
