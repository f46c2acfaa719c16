"""The hardware that matters to voice agents: CPU features, GPUs, audio devices.

Unknown values are None, with the reason beside them; nothing is guessed.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FEATURES = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "sve")
"""CPU features that the engines' kernels look for, as Linux names them."""

LEVELS: tuple[tuple[float, int, str], ...] = (
    (80.0, 6, "80 GB or more, or several: hybrid, several models side by side"),
    (48.0, 5, "48–80 GB: large models in full precision"),
    (32.0, 4, "32–48 GB: a 7B duplex model in bf16 beside a language model"),
    (24.0, 3, "24–32 GB: a 7B duplex model in bf16"),
    (16.0, 2, "16–24 GB: a 7B duplex model in 8 bits"),
    (8.0, 1, "8–16 GB: a 7B duplex model in 4 bits, or a local cascade"),
    (0.0, 0, "less than 8 GB: hosted services, or tiny models"),
)
"""(least GPU memory in GB, level, what fits): by the size of the weights, not by measurement."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU."""

    name: str
    memory_gb: float
    """Its own memory, GB; on a machine with one memory for all, that memory."""
    unified: bool = False
    """True where it shares the machine's memory."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search, or why it is unknown."""

    items: tuple[Any, ...]
    reason: str | None = None
    """Why there are none, or why that is unknown."""


def cpu_features(cpuinfo: str | None = None) -> Found:
    """The CPU's features among `FEATURES`.

    Args:
        cpuinfo: Text of /proc/cpuinfo; by default this machine's.
    """
    if cpuinfo is None:
        path = Path("/proc/cpuinfo")
        if not path.exists():
            return Found((), f"{platform.system()} does not list them in /proc/cpuinfo")
        cpuinfo = path.read_text(encoding="utf-8", errors="replace")
    for line in cpuinfo.splitlines():
        if line.lower().startswith(("flags", "features")):
            has = set(line.partition(":")[2].split())
            return Found(tuple(feature for feature in FEATURES if feature in has))
    return Found((), "/proc/cpuinfo names no flags")


def gpus(memory_gb: float, library: Any = None) -> Found:
    """NVIDIA's GPUs by NVML, or Apple Silicon's, which shares the machine's memory.

    Args:
        memory_gb: The machine's memory.
        library: NVML as ctypes gives it; by default this machine's.
    """
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return Found((Gpu("Apple Silicon", memory_gb, unified=True),))
    if library is None:
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return Found((), "no NVIDIA driver (libnvidia-ml.so.1 is not here)")
    return _nvml(library)


class _Memory(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


def _nvml(library: Any) -> Found:
    if library.nvmlInit_v2() != 0:
        return Found((), "the NVIDIA driver is installed, but does not answer (nvmlInit failed)")
    try:
        count = ctypes.c_uint()
        if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return Found((), "the NVIDIA driver does not say how many GPUs there are")
        found = []
        for i in range(count.value):
            handle, name, memory = ctypes.c_void_p(), ctypes.create_string_buffer(96), _Memory()
            failed = (
                library.nvmlDeviceGetHandleByIndex_v2(i, ctypes.byref(handle))
                or library.nvmlDeviceGetName(handle, name, ctypes.c_uint(96))
                or library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
            )
            if not failed:
                gb = round(memory.total / 2**30, 1)
                found.append(Gpu(name.value.decode(errors="replace"), gb))
        return Found(tuple(found), None if found else "the NVIDIA driver sees no GPU")
    finally:
        library.nvmlShutdown()


def level(found: Sequence[Gpu]) -> tuple[int, str]:
    """The machine's level by its largest GPU: (0 to 6, what fits)."""
    if len(found) > 1:
        return LEVELS[0][1], LEVELS[0][2]
    largest = max((gpu.memory_gb for gpu in found), default=0.0)
    # A card of 24 GB reports some hundred MB less.
    return next((number, text) for least, number, text in LEVELS if largest >= least * 0.95)


def audio_devices(pcm: str | None = None) -> Found:
    """Microphones and loudspeakers, as ALSA lists them.

    Args:
        pcm: Text of /proc/asound/pcm; by default this machine's.
    """
    if pcm is None:
        if platform.system() != "Linux":
            return Found((), f"not looked for on {platform.system()}")
        path = Path("/proc/asound/pcm")
        if not path.exists():
            return Found((), "no sound card (no /proc/asound/pcm); no run needs one")
        pcm = path.read_text(encoding="utf-8", errors="replace")
    found = []
    for line in pcm.splitlines():
        parts = [part.strip() for part in line.split(":")]
        if len(parts) >= 3:
            ways = [w for w in ("playback", "capture") if any(p.startswith(w) for p in parts)]
            found.append(f"{parts[1]} ({', '.join(ways)})")
    return Found(tuple(found), None if found else "no sound card; no run needs one")
