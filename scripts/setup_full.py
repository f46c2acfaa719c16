"""Installs everything local that this machine can use: ``make setup-full``.

Each part is tried by itself: one that fails is reported, the others go on. The last lines say what
is there, what was skipped and what failed, and why; the exit status is 1 if something failed.

Usage: python scripts/setup_full.py [--list] [PART …]
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipelines.duplex.moshi.weights import files as weights
from pipelines.engines import made
from pipelines.errors import LabError
from pipelines.process import environment


@dataclass(frozen=True)
class Part:
    """One thing to install."""

    name: str
    what: str
    make: Callable[[], object]
    skip: Callable[[], str] = lambda: ""
    """Why this machine can't use it; empty: it can."""


def tell(words: str) -> None:
    """Progress, at once."""
    print(f"duplex-lab: {words}", flush=True)


def has_compiler() -> str:
    """Why nothing can be compiled."""
    if any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        return ""
    return (
        "there is no C compiler (Debian and Ubuntu: apt install build-essential; macOS: "
        "xcode-select --install); the engine 'llama' runs the same files without one"
    )


def has_cuda() -> str:
    """Why torch is left out: its build for the CPU is slower than MLX's and takes a gigabyte."""
    if shutil.which("nvidia-smi"):
        return ""
    return "there is no NVIDIA GPU; asked for by name it is installed all the same"


def built(name: str) -> Callable[[], object]:
    """Builds an engine environment."""
    return lambda: environment.ensure(name, tell, verify=True)


def random_weights() -> None:
    """The models that cascade-whisper-llama-piper names."""
    for engine, size in (("faster-whisper", "tiny"), ("llama", "0.5b"), ("piper", "medium")):
        made.ensure(engine, made.PREFIX + size, tell)


PARTS = (
    Part("whisper", "speech to text: faster-whisper", built("whisper")),
    Part("piper", "text to speech: Piper", built("piper")),
    Part("moonshine", "speech to text: Moonshine", built("moonshine")),
    Part("kokoro", "text to speech: Kokoro", built("kokoro")),
    Part("moshi-mlx", "duplex: Moshi on MLX", built("moshi-mlx")),
    Part(
        "moshi-torch",
        "duplex: Moshi on torch; Kyutai STT, Pocket TTS",
        built("moshi-torch"),
        has_cuda,
    ),
    Part("llama", "language models: llama-cpp-python, compiled", built("llama"), has_compiler),
    Part("cascade-weights", "random weights of a cascade's true sizes", random_weights),
    Part(
        "duplex-weights",
        "random weights of Moshi's shape, tiny",
        lambda: weights.ensure("tiny", "bf16", tell),
    ),
)
"""The parts, in this order: those that take longest come late, so that most are installed early."""


def install(parts: list[Part], named: bool) -> dict[str, tuple[str, str]]:
    """Tries each part; returns name → (there, skipped or failed; why)."""
    found: dict[str, tuple[str, str]] = {}
    for part in parts:
        why = "" if named else part.skip()
        if why:
            found[part.name] = ("skipped", why)
            continue
        began_s = time.monotonic()
        try:
            part.make()
        except LabError as error:
            found[part.name] = ("failed", str(error))
            tell(str(error))
        else:
            found[part.name] = ("there", f"{time.monotonic() - began_s:.0f} s")
    return found


def main(argv: list[str] | None = None) -> int:
    """Runs it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these; default: all")
    parser.add_argument("--list", action="store_true", help="name the parts and do nothing")
    asked = parser.parse_args(argv)
    known = {part.name: part for part in PARTS}
    if asked.list:
        for part in PARTS:
            why = part.skip()
            print(f"{part.name:16} {part.what}{f' (skipped: {why})' if why else ''}")
        return 0
    unknown = [name for name in asked.parts if name not in known]
    if unknown:
        print(f"setup-full: no part {unknown[0]!r}; known: {', '.join(known)}", file=sys.stderr)
        return 2
    began_s = time.monotonic()
    found = install([known[n] for n in asked.parts] or list(PARTS), named=bool(asked.parts))
    minutes = (time.monotonic() - began_s) / 60
    tell(f"setup-full on {platform.system()} {platform.machine()}, {minutes:.1f} min:")
    for name, (how, why) in found.items():
        print(f"  {name:16} {how:8} {why}")
    return 1 if any(how == "failed" for how, _ in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
