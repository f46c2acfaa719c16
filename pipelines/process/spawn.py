"""Starting a model's child process and reading how it ended: the system's part."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from typing import IO

from pipelines.installation import ROOT, engine_path

STDERR_TAIL_BYTES = 600
_ONE_THREAD = ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")


def start_child(interpreter: str | None, fd: int) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Starts `pipelines.process.child` on a socket that it inherits.

    Returns:
        The process, and the temporary file that takes all it prints.

    Raises:
        OSError: the interpreter can't be run.
    """
    command = [interpreter or sys.executable, "-m", "pipelines.process.child"]
    printed = tempfile.TemporaryFile()  # noqa: SIM115 closed when the child is buried
    try:
        # A process group of its own keeps the terminal's Ctrl-C away from the child. Linux kills
        # the child with the *thread* that starts it, so that must be the event loop's own.
        popen = subprocess.Popen(
            [*command, str(fd), str(os.getpid())],
            env=_environment(keep_python_path=interpreter is None),
            pass_fds=(fd,),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            process_group=0,
        )
    except OSError:
        printed.close()
        raise
    return popen, printed


def reap(popen: subprocess.Popen[bytes], patience_s: float) -> int:
    """The exit status, after a moment to end by itself (so that its own status is known)."""
    try:
        return popen.wait(patience_s)
    except subprocess.TimeoutExpired:
        popen.kill()
        return popen.wait()


def ending(code: int) -> str:
    """An exit status in words."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def last_words(printed: IO[bytes]) -> str:
    """The last lines that the child printed, as one line."""
    size = printed.seek(0, os.SEEK_END)
    printed.seek(max(0, size - STDERR_TAIL_BYTES))
    lines = printed.read().decode(errors="replace").splitlines()
    return " | ".join(line.strip() for line in lines if line.strip())


def obituary(name: str, why: str, *, starts_again: bool, said: str) -> str:
    """The sentence on a model's death; ``said``: the last lines that it printed."""
    after = "; it starts again when it is next needed." if starts_again else "."
    return f"The model {name} {why}{after}" + (f" Its last words: {said}" if said else "")


def _environment(*, keep_python_path: bool) -> dict[str, str]:
    environment = dict(os.environ)
    environment.update({f"{library}_NUM_THREADS": "1" for library in _ONE_THREAD})
    paths = [str(ROOT if keep_python_path else engine_path())]
    if keep_python_path and os.environ.get("PYTHONPATH"):
        paths.append(os.environ["PYTHONPATH"])
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    environment["HF_HUB_OFFLINE"] = "1"  # nothing is downloaded in a trial: see pipelines.models
    environment["PYTHONSAFEPATH"] = "1"  # the working folder may hold a module of any name
    return environment
