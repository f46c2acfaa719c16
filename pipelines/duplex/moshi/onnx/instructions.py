"""The instructions without which products of 4 and 8 bits are slower than those in f32."""

from __future__ import annotations

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_WANTED = {"x86_64": "avx2", "aarch64": "asimddp"}
"""Machine → flag in Linux's list: AVX2; NEON's dot product."""


def lacks() -> str:
    """The instruction that this processor lacks; empty: none, or the system doesn't tell."""
    wanted = _WANTED.get(platform.machine())
    if wanted is None:
        return ""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = (line.partition(":") for line in text.splitlines())
    flags = {
        flag
        for name, _, held in lines
        if name.strip() in ("flags", "Features")
        for flag in held.split()
    }
    return wanted if flags and wanted not in flags else ""
