"""How long does a duplex preset take to start, and how much memory does it then hold?

python scripts/loading.py [--presets duplex-tiny,duplex-mlx-tiny,duplex-300m] [--json FILE]

- *write*: the graphs of backend onnx, written and probed once, into a folder that is then removed;
- *cold*: process started → warm, its files out of the page cache first (Linux);
- *warm*: the same again, median of three;
- RSS, PSS and *private* after 60 frames: PSS counts a page that others map, too, by its share.

Weights that are missing are made first. Run it with nothing else on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.machine.description import describe  # noqa: E402  (found by the path above)
from pipelines.cache import cache_folder  # noqa: E402
from pipelines.duplex.adapters import adapter_of  # noqa: E402
from pipelines.duplex.moshi.onnx import cached  # noqa: E402
from pipelines.duplex.processes import duplex_process  # noqa: E402
from pipelines.duplex.session.warmth import like_speech  # noqa: E402
from pipelines.duplex.session.wire import SESSION, pcm_to_bytes  # noqa: E402
from pipelines.process.process import ModelProcess  # noqa: E402
from pipelines.registry import architecture, load_object  # noqa: E402
from pipelines.spec import PipelineSpec, load_spec  # noqa: E402

FRAMES = 60
WARM_STARTS = 3
HELD = {"rss": "Rss", "pss": "Pss", "private": "Private_(?:Clean|Dirty)"}
"""Figure → the lines of ``smaps_rollup`` whose sum it is."""
HEADINGS = ("preset", "backend", "write s", "cold s", "warm s", "RSS MB", "PSS MB", "private MB")


def main() -> None:
    """Measures each preset, and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", default="duplex-tiny,duplex-mlx-tiny,duplex-300m")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    asked = parser.parse_args()
    found: dict[str, Any] = {"machine": describe()}
    print(f"| {' | '.join(HEADINGS)} |\n|---|---|{'---:|' * 6}", flush=True)
    for name in asked.presets.split(","):
        found[name] = row = asyncio.run(measure(load_spec(name)))
        numbers = [row["write_s"], row["cold_s"], row["warm_s"]]
        numbers += [row[f"{what}_mb"] for what in HELD]
        cells = ["–" if n is None else f"{n:.0f}" if n >= 20 else f"{n:.2f}" for n in numbers]
        print(f"| {name} | {row['backend']} | {' | '.join(cells)} |", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


async def measure(spec: PipelineSpec) -> dict[str, Any]:
    """The figures of one preset."""
    model = spec.stages["model"]
    provide = architecture(spec.architecture).provide
    if provide:
        load_object(provide)(spec, _tell)
    is_ours = model.backend == "onnx"
    figures: dict[str, Any] = {"backend": model.backend}
    figures["write_s"] = _written_s(spec) if is_ours else None
    _drop(files_of(spec))
    figures["cold_s"] = await _started_s(spec)
    warm = []
    for _ in range(WARM_STARTS):
        warm.append(await _started_s(spec, figures))
    return figures | {"warm_s": median(warm)}


def files_of(spec: PipelineSpec) -> list[Path]:
    """The files that the preset's model reads."""
    model = spec.stages["model"]
    weights = adapter_of(model).weights
    paths = [Path(path) for path in weights.arguments(model).values()] if weights else []
    if model.backend == "onnx":
        paths += (cache_folder() / "onnx").glob("*/*")
    return [path for path in paths if path.is_file()]


def _written_s(spec: PipelineSpec) -> float:
    """Seconds in which the graphs are written and probed, in a folder that is then removed."""
    model = spec.stages["model"]
    weights = adapter_of(model).weights
    assert weights is not None, f"backend {model.backend} has no weights"
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        setattr(cached, "cache_folder", lambda: Path(folder))  # noqa: B010 (an import of its)
        try:
            began = perf_counter()
            weights.provide(model, _tell)
            return perf_counter() - began
        finally:
            setattr(cached, "cache_folder", cache_folder)  # noqa: B010


async def _started_s(spec: PipelineSpec, figures: dict[str, Any] | None = None) -> float:
    """Seconds from the process's start to its being warm; adds what it holds after some frames."""
    process = duplex_process(
        spec.stages["model"],
        processor=spec.stages["processor"],
        script=spec.stages["script"],
    )
    began = perf_counter()
    async with process:
        took_s = perf_counter() - began
        if figures is not None:
            await _frames(process)
            figures |= _held_mb(process.pid or 0)
    return took_s


def _held_mb(pid: int) -> dict[str, float]:
    """The memory of a process, MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    held_kb = {
        name: re.findall(rf"^{lines}: +(\d+) kB", text, re.MULTILINE)
        for name, lines in HELD.items()
    }
    return {f"{name}_mb": sum(map(int, found)) / 1024 for name, found in held_kb.items()}


async def _frames(process: ModelProcess) -> None:
    session = process.open(SESSION, {"seed": 0}, fed=True, owes="frame")
    for index, pcm in enumerate(like_speech(FRAMES)):
        session.feed({"frame": index}, pcm_to_bytes(pcm), last=False)
    session.feed(last=True)
    async for _ in session:
        pass
    await session.wait_ended()


def _drop(paths: list[Path]) -> None:
    """Puts files out of the page cache."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
