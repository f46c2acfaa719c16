"""The machine of a run: hardware, system, versions, commit."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from pipelines.installation import ROOT, is_checkout

PACKAGES = (
    "duplex-lab",
    "espeakng-loader",
    "numpy",
    "onnxruntime",
    "pipecat-ai",
    "pocketsphinx",
    "pyarrow",
    "soxr",
    "xllamacpp",
)
"""Packages whose versions are recorded in every run."""


def describe() -> dict[str, Any]:
    """Hardware, system and versions, as plain JSON types; unknown values are None."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores_allowed": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": commit(),
        "load_avg": list(os.getloadavg()),
    }


def commit() -> dict[str, Any]:
    """The checkout's commit and whether files differ from it; None outside a checkout."""
    head = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {"sha": head, "dirty": None if status is None else bool(status)}


def _git(*words: str) -> str | None:
    if not is_checkout() or not shutil.which("git"):
        return None  # installed, the packages may lie in a repository of the user's
    try:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str | None:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None
