"""The hardware's level, 0 to 6, and which agents it can run itself: local first, or remote. Pure.

By the size of the weights, not by measurement: `duplex-lab doctor` prints the level, and a run says
whether a model keeps up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.spec import PipelineSpec

BYTES = {"f32": 4.0, "bf16": 2.0, "q8": 1.0625, "q4": 0.5625}
"""Precision → bytes of a weight, the scales of quantised ones with it."""
BESIDE = 1.25
"""Memory of a running model, as a multiple of its weights: caches, the codec, the library."""
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])")


@dataclass(frozen=True, slots=True)
class Level:
    """One level."""

    number: int
    memory: str
    """GPU memory, in words."""
    fits_gb: float
    """Memory that models of this level may take, GB; of level 0, on the processor."""
    today: str
    """What fits, by the sizes of today."""
    place: str
    """Where agents run."""


LEVELS: tuple[Level, ...] = (
    Level(
        0, "less than 8 GB", 1.0,
        "duplex-nano (11M), cascade-embedded (3M): on one core; nothing of 7B in real time",
        "tiny presets local, all others by the remote line first",
    ),
    Level(
        1, "8–16 GB", 8.0, "Moshi's 7B in 4 bits (5.4 GB with caches), or a language model of 8B "
        "in 4 bits", "local",
    ),
    Level(
        2, "16–24 GB", 16.0, "Moshi's 7B in 8 bits (10 GB), or a language model of 14B in 4 bits",
        "local",
    ),
    Level(
        3, "24–32 GB", 24.0, "Moshi's or PersonaPlex's 7B in bf16 (19 GB), or a mixture of 30B "
        "with 3B active in 4 bits", "local",
    ),
    Level(
        4, "32–48 GB", 32.0, "the same 7B in bf16 beside a language model of 8B in 4 bits", "local",
    ),
    Level(5, "48–80 GB", 48.0, "a language model of 70B in 4 bits (42 GB)", "local"),
    Level(
        6, "80 GB or more, or several GPUs", 80.0, "several of these side by side",
        "hybrid: local, and the remote line when one fails",
    ),
)  # fmt: skip
"""The levels; their memory is that of `duplex-lab doctor`."""


def needs_gb(spec: PipelineSpec) -> float:
    """Memory of a preset's largest model while it runs, GB; 0: none of ours, or not known.

    A model elsewhere (hosted, a server) takes none here.
    """
    found = 0.0
    for options in spec.stages.values():
        for name in (getattr(options, "id", ""), getattr(options, "model", "")):
            precision = getattr(options, "precision", "q4")
            found = max(found, _parameters(name) * BYTES.get(precision, 2.0) / 1e9)
    return 0.0 if _is_elsewhere(spec) else found * BESIDE


def _is_elsewhere(spec: PipelineSpec) -> bool:
    model, llm = spec.stages.get("model"), spec.stages.get("llm")
    return (
        spec.architecture in ("hosted", "remote")
        or getattr(model, "backend", "") == "server"
        or getattr(llm, "engine", "") in ("ollama", "openai-compatible")
    )


def _parameters(name: str) -> float:
    """Number of parameters that a model's id names: ``moshi-7b``, ``synthetic:0.5b``; else 0."""
    found = _SIZE.search(name.lower())
    return float(found[1]) * (1e9 if found[2] == "b" else 1e6) if found else 0.0


def order(
    name: str, need_gb: float, level: int, fallback: Sequence[str], remote: Sequence[str]
) -> list[str]:
    """The agents of a conversation, the one that begins first.

    Args:
        name: The preset that is asked for.
        need_gb: What it takes.
        level: The hardware's.
        fallback: Those that may go on, remote lines with them.
        remote: The remote lines among them.
    """
    others = [one for one in fallback if one != name]
    if need_gb <= LEVELS[level].fits_gb or not remote:
        return [name, *others]
    lines = [one for one in others if one in remote]
    return [*lines, name, *(one for one in others if one not in remote)]
