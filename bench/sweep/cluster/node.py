"""A shard on a machine of the cluster: in a process of its own, as a run that was typed there.

Ray's worker lays out the order and starts ``python -m bench.sweep.cluster.node FOLDER``, which
plays it. The process gets the environment and the priority that the machine's Ray was started with:
in its workers Ray sets OMP_NUM_THREADS, hides GPUs and raises their niceness, which would slow the
agents that are measured.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.store import store
from bench.sweep.cluster.parcel import Order, lay_out, pack, read_order, version
from pipelines.errors import LabError
from pipelines.installation import FIXTURES_VARIABLE
from pipelines.registry import load_object

SET_BY_RAY = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
"""Variables that Ray sets in its workers."""
PLAYED = "played"
"""Folder of the run."""
REFUSED = "refused.txt"
"""File that says why nothing was played."""
MACHINE = "DUPLEX_LAB_MACHINE"
"""Variable that holds the machine's name."""


def play(order: Order, machine: str, *contents: bytes) -> tuple[bytes | None, str]:
    """In Ray's worker: plays an order.

    Args:
        order: The order.
        machine: Name of this machine.
        contents: What `Order.needs` names, in its order.

    Returns:
        The run, packed; or None and a sentence that says why this machine can't play it.
    """
    if version() != order.version:
        return None, (
            f"{machine} has duplex-lab {version()}, and the sweep was planned by {order.version}: "
            "install the same there"
        )
    niceness = os.getpriority(os.PRIO_PROCESS, 0) - os.getpriority(os.PRIO_PROCESS, os.getppid())
    if niceness > 0:
        return None, (
            f"{machine}: Ray's workers give way there to all other processes (niceness "
            f"+{niceness}): start Ray with RAY_worker_niceness=0"
        )
    with TemporaryDirectory(prefix="dlab-shard-") as scratch:
        folder = Path(scratch)
        lay_out(order, dict(zip(order.needs, contents, strict=True)), folder)
        command = [sys.executable, "-m", "bench.sweep.cluster.node", str(folder)]
        env = own_environment(os.environ, _of_parent())
        env |= {FIXTURES_VARIABLE: str(folder / "fixtures"), MACHINE: machine}
        # Its standard input closes when this worker dies, however it dies.
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as p:
            assert p.stderr is not None
            said = p.stderr.read().decode(errors="replace").strip()
        if p.returncode == 0:
            return pack(folder / PLAYED), ""
        why = folder / REFUSED
        if why.exists():
            return None, f"{machine}: {why.read_text(encoding='utf-8')}"
        return None, f"{machine}: the shard's process ended with {p.returncode}: {said[-300:]}"


def own_environment(worker: Mapping[str, str], machine: Mapping[str, str]) -> dict[str, str]:
    """The environment of a worker, with the machine's own values of what Ray sets.

    Args:
        worker: That of Ray's worker.
        machine: That in which the machine's Ray was started.
    """
    found = {name: value for name, value in worker.items() if name not in SET_BY_RAY}
    return found | {name: machine[name] for name in SET_BY_RAY if name in machine}


def _of_parent() -> dict[str, str]:
    """The environment of the process that started this worker: the machine's own Ray."""
    with contextlib.suppress(psutil.Error):
        return dict(psutil.Process(os.getppid()).environ())
    return {}


def main(folder: Path) -> int:
    """Plays the order that lies in a folder.

    Returns:
        The exit code: 0 played, 2 refused, with the reason in the folder.
    """
    threading.Thread(target=_end_with_worker, daemon=True).start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: agents are ended
    try:
        order, plan = read_order(folder)
        played = folder / PLAYED
        load_object(order.player)(plan, played, order.retries, lambda p: None, spin=order.spin)
        info = store.read_info(played)
        machine = {**info["machine"], "name": os.environ[MACHINE]}
        store.write_info(played, {**info, "machine": machine})
    except LabError as error:
        (folder / REFUSED).write_text(str(error), encoding="utf-8")
        return 2
    return 0


def _end_with_worker() -> None:
    """Ends this process when the worker that started it is gone."""
    while os.read(0, 1):  # nothing is ever sent; not by sys.stdin, whose lock Python needs to end
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
