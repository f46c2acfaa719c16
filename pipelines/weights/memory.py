"""The memory that a model may take on this machine, checked before it is loaded."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from pipelines.weights.error import WeightsError

_SPARE_BYTES = 0.5e9
"""Memory left to the rest of the machine."""


def free_bytes() -> float:
    """Memory that a new process can take without pushing others out."""
    if platform.system() == "Linux":
        return min(_linux_free(), _control_group_free())
    # macOS: inactive and cached pages are given up on demand; a third stays with the system.
    said = subprocess.run(["sysctl", "-n", "hw.memsize"], capture_output=True, text=True)
    return int(said.stdout or 0) * 2 / 3 if said.returncode == 0 else float("inf")


def need_memory(needed_bytes: float, what: str, mend: str) -> None:
    """Checks before loading.

    Raises:
        WeightsError: there is too little memory free.
    """
    free = free_bytes() - _SPARE_BYTES
    if needed_bytes > free:
        raise WeightsError(
            f"{what} needs {needed_bytes / 1e9:.1f} GB of memory and this machine has "
            f"{max(0.0, free) / 1e9:.1f} GB free: {mend}."
        )


def _linux_free() -> float:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024.0
    return float("inf")


def _control_group_free(room: Path = Path("/sys/fs/cgroup")) -> float:
    """Memory left below a container's limit, where there is one; the page cache is given up on
    demand.
    """
    try:
        limit = (room / "memory.max").read_text(encoding="ascii").strip()
        used = (room / "memory.current").read_text(encoding="ascii").strip()
        stat = (room / "memory.stat").read_text(encoding="ascii")
    except OSError:
        return float("inf")
    lines = (line.split() for line in stat.splitlines() if line.startswith("inactive_file "))
    cached = sum(float(value) for _, value in lines)
    return float("inf") if limit == "max" else float(limit) - float(used) + cached
