"""Ends whatever a process has started and left behind: helpers of a bot, daemons, their children.

Whoever is started while the mark stands in the environment inherits it, however it was started
(fork, exec, a session of its own), and is found by it once its parent is gone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from multiprocessing import resource_tracker

VARIABLE = "DUPLEX_LAB_FAMILY"
PATIENCE_S = 1.0
"""How long a helper may take to end when it is asked."""
ROUNDS = 3
"""A helper may start another while it is ended."""


@contextlib.contextmanager
def family() -> Iterator[str]:
    """Marks what is started within the block; the mark is for `end_family`."""
    resource_tracker.ensure_running()  # one for this whole process: it must not carry the mark
    mark, before = secrets.token_hex(8), os.environ.get(VARIABLE)
    os.environ[VARIABLE] = mark
    try:
        yield mark
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def end_family(mark: str) -> int:
    """Ends every process that carries a mark; returns how many there were."""
    import psutil

    ended = 0
    for _ in range(ROUNDS):
        found = [p for p in psutil.process_iter() if p.pid != os.getpid() and _mark_of(p) == mark]
        if not found:
            break
        ended += len(found)
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        _, alive = psutil.wait_procs(found, timeout=PATIENCE_S)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=PATIENCE_S)
    return ended


def _mark_of(process: object) -> str | None:
    """A process's mark; None where it has none, is gone, or is not ours to look at."""
    import psutil

    assert isinstance(process, psutil.Process)
    with contextlib.suppress(psutil.Error, OSError):
        if process.status() != psutil.STATUS_ZOMBIE:
            mark: str | None = process.environ().get(VARIABLE)
            return mark
    return None
