"""The tests in two halves: on all cores, then, alone in one process, what needs a quiet clock.

``make test`` calls it with ARGS, which go to pytest. Where they name a file, or choose by marker
(``-m``), one process plays everything that they choose. ``--fast`` plays the pure half alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
SLOWEST = "--durations=15"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Variables for processes that share the cores: threads that wait for each other by spinning take
each other's time."""
NOTHING_CHOSEN = 5
"""pytest's exit code where it found no test."""
STOPPED = 2
"""pytest's exit code after Ctrl-C."""
MOST_WORKERS = 8
FAST = (
    *(
        f"tests/bench/{room}"
        for room in (
            "compare",
            "fixtures",
            "lines",
            "metrics",
            "notebook",
            "recorded",
            "report",
            "runner",
            "stats",
            "store",
            "summary",
            "timeline",
        )
    ),
    *(f"tests/pipelines/{room}" for room in ("audio", "face", "guards", "watch")),
)
"""Folders of what only computes: no engine, no process, no sound in real time."""


def workers() -> int:
    """Number of processes that the parallel half is spread over: half of the time a file of tests
    waits for a child, or for a clock. ``TEST_WORKERS`` says otherwise.
    """
    can = getattr(os, "sched_getaffinity", None)
    cores = len(can(0)) if can else os.cpu_count() or 1
    return int(os.environ.get("TEST_WORKERS", 0)) or min(2 * cores, MOST_WORKERS)


def halves(args: Sequence[str]) -> list[list[str]]:
    """The arguments of each run of pytest that ``make test`` makes.

    Args:
        args: Arguments for pytest.
    """
    if "--fast" in args:
        more = [arg for arg in args if arg != "--fast"]
        return [["-m", "not realtime", *_spread(), SLOWEST, *more, *FAST]]
    one_process = any(arg.partition("::")[0].endswith(".py") for arg in args)
    if one_process or any(arg == "-m" or arg.startswith("-m=") for arg in args):
        return [[SLOWEST, *args]]
    return [
        ["-m", "not realtime", *_spread(), SLOWEST, *args],
        ["-m", "realtime", SLOWEST, *args],
    ]


def _spread() -> list[str]:
    """A file's tests share what they make, so they go to one worker; see tests/order.py."""
    spread = ["-n", str(workers()), "--dist", "loadfile", "--no-loadscope-reorder"]
    return [*spread, "--max-worker-restart=0"]  # after a crash xdist may wait for ever


def together(codes: Sequence[int]) -> int:
    """One exit code for several runs: the first that is bad; a run without a test is not."""
    bad = [code for code in codes if code not in (0, NOTHING_CHOSEN)]
    if bad:
        return bad[0]
    return 0 if 0 in codes else NOTHING_CHOSEN


def main() -> int:
    """Plays what the arguments choose; returns the exit code."""
    codes: list[int] = []
    began_s = time.monotonic()
    # Hundreds of processes are started: none should have to compile the same modules once more.
    env = {name: told for name, told in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for half in halves(sys.argv[1:]):
        print(f"duplex-lab: pytest {' '.join(half)}", flush=True)
        command = [sys.executable, "-m", "pytest", *half]
        more = ONE_THREAD if "-n" in half else {}
        codes.append(subprocess.run(command, cwd=ROOT, env={**more, **env}).returncode)
        if codes[-1] == STOPPED or (codes[-1] and "-x" in half):
            break
    print(f"duplex-lab: tests took {time.monotonic() - began_s:.0f} s", flush=True)
    return together(codes)


if __name__ == "__main__":
    sys.exit(main())
