"""How fast is Moshi's shape on this GPU, and how many sessions does it hold in real time?

    python scripts/bench_torch_gpu.py                         # 7b in bf16 on CUDA
    python scripts/bench_torch_gpu.py --device cpu --size tiny --batches 1,2 --frames 20

Random weights are made on the device (nothing is downloaded: the work does not depend on what they
say), and frames are run one after the other through the lab's own torch adapter: encode, language
model, decode, for all sessions of the batch together. A batch holds real time when the upper 95 %
bound of its frames' p99 is no more than 80 ms. Every step attends over the whole context (3000
steps), so a young session costs what an old one does.

Needs the packages of the engine environment moshi-torch; started with another Python, it goes on
with that environment's, where it is built. Prints a Markdown table, and writes all times as JSON.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import math
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
BUDGET_MS = 80.0
WARM_FRAMES = 8  # compiles, and captures the CUDA graphs
STAGES = ("encode", "step", "decode")


def main() -> int:
    """Entry point; returns the exit code."""
    options = _options()
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("moshi") is None:
        return _go_on_in_environment()
    import torch

    from pipelines.process.engine import EngineError
    from pipelines.weights.moshi_torch_core import set_up_torch

    try:
        device = set_up_torch(options.threads, options.device)
    except EngineError as error:
        print(f"bench_torch_gpu: {error}", file=sys.stderr)
        return 2
    models = _models(options.size, device)
    rows: list[dict[str, Any]] = []
    holds = _run(options, models, device, rows)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    print(
        f"\n{options.size} in bf16 on {name or device}, torch {torch.__version__}, random weights"
    )
    print(_table(rows))
    print(_verdict(holds, rows, options.batches))
    found = {
        "size": options.size,
        "device": str(device),
        "name": name,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "frames": options.frames,
        "budget_ms": BUDGET_MS,
        "largest_batch": holds,
        "batches": rows,
    }
    options.json.write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(f"all times: {options.json}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", default="7b", help="tiny, 100m, 300m, 1b or 7b")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--frames", type=int, default=300, help="of each batch; p99 needs 299")
    parser.add_argument("--batches", default="", help="as 1,2,4; default: search for the largest")
    parser.add_argument("--most", type=int, default=256, help="largest batch of the search")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--json", type=Path, default=Path("bench_torch_gpu.json"))
    options = parser.parse_args()
    from pipelines.weights.sizes import SIZES

    if options.size not in SIZES:
        parser.error(f"--size {options.size}: there are {', '.join(SIZES)}")
    try:
        options.batches = [int(b) for b in options.batches.split(",") if b]
    except ValueError:
        parser.error(f"--batches {options.batches}: write numbers, as 1,2,4")
    if options.frames < 1 or any(b < 1 for b in options.batches):
        parser.error("--frames and --batches count from 1")
    return options


def _go_on_in_environment() -> int:
    from pipelines.process import environment

    python = environment.find("moshi-torch")
    if python is None or os.environ.get("BENCH_TORCH_GPU_INSIDE"):
        print(
            "bench_torch_gpu: torch and moshi are not installed for this Python, and the engine "
            "environment moshi-torch is not built: build it with "
            "'duplex-lab run --presets duplex-torch-tiny --fixtures quick', or see the README",
            file=sys.stderr,
        )
        return 2
    os.environ["BENCH_TORCH_GPU_INSIDE"] = "1"
    os.execv(python, [python, *sys.argv])


def _models(size: str, device: Any) -> tuple[Any, Any]:
    """Codec (f32) and language model (bf16) of the shape, with random weights."""
    import torch
    from moshi.models import loaders

    from pipelines.weights.sizes import SIZES, config

    torch.manual_seed(0)
    table = {k: v for k, v in config(SIZES[size]).items() if not k.endswith("_name")}
    lm = loaders.get_moshi_lm(None, lm_kwargs=table, device=device, dtype=torch.bfloat16)
    with torch.no_grad():
        for parameter in lm.parameters():
            if parameter.dim() > 1 and parameter.shape[0] > 1:  # not the norms, which are ones
                parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
    return loaders.get_mimi(None, device=device), lm


def _run(
    options: argparse.Namespace, models: tuple[Any, Any], device: Any, rows: list[dict[str, Any]]
) -> int:
    """Measures batches into ``rows``; returns the largest that holds real time (0: none)."""

    def fits(batch: int) -> bool:
        print(f"batch {batch} …", file=sys.stderr, flush=True)
        rows.append(_measure(models, device, batch, options.frames, options.threads))
        rows.sort(key=lambda row: int(row["batch"]))
        bound = next(row for row in rows if row["batch"] == batch)["p99_bound_ms"]
        return bound is not None and bound <= BUDGET_MS

    if options.batches:
        return max((b for b in options.batches if fits(b)), default=0)
    good, bad = 0, 1
    while bad <= options.most and fits(bad):
        good, bad = bad, bad * 2
    bad = min(bad, options.most + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def _measure(
    models: tuple[Any, Any], device: Any, batch: int, frames: int, threads: int
) -> dict[str, Any]:
    """One batch: every frame's stage times in ms."""
    import numpy as np
    import torch

    from pipelines.duplex.session.warmth import like_speech
    from pipelines.weights.moshi_torch_core import TorchCore

    mimi, lm = models
    times: list[list[float]] = []
    row: dict[str, Any] = {"batch": batch, "p99_bound_ms": None}
    voices = np.stack([like_speech(25, seed=s % 8) for s in range(batch)], axis=1)
    core: TorchCore | None = None
    try:
        core = TorchCore(mimi, lm, device=device, batch=batch, threads=threads)
        for index in range(WARM_FRAMES + frames):
            began = time.perf_counter()
            codes = core.encode(voices[index % len(voices)])
            _wait(device)
            encoded = time.perf_counter()
            spoken, _ = core.advance(codes)  # the tokens' way to the CPU waits for the GPU
            stepped = time.perf_counter()
            if spoken is not None:
                core.decode(spoken)  # likewise
            done = time.perf_counter()
            if index >= WARM_FRAMES:
                steps = (encoded - began, stepped - encoded, done - stepped)
                times.append([1e3 * s for s in steps])
    except torch.OutOfMemoryError:
        row["error"] = "out of memory"
    finally:
        core = None
        for model in (mimi, lm):  # the next batch begins to stream anew
            model._stop_streaming()
        gc.collect()
        if device.type == "cuda":
            row["peak_gb"] = torch.cuda.max_memory_allocated(device) / 1e9
            torch.cuda.reset_peak_memory_stats(device)
            torch.cuda.empty_cache()
    if "error" not in row:
        row |= _summary(times)
    return row


def _wait(device: Any) -> None:
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def _summary(times: list[list[float]]) -> dict[str, Any]:
    whole = sorted(sum(stages) for stages in times)
    n = len(whole)
    stages = zip(STAGES, zip(*times, strict=True), strict=True)
    return {
        "n": n,
        "p50_ms": statistics.median(whole),
        "p99_ms": whole[math.ceil(0.99 * n) - 1],
        "p99_bound_ms": p99_bound(whole),
        "max_ms": whole[-1],
        "stages_p50_ms": {name: statistics.median(column) for name, column in stages},
        "times_ms": [[round(t, 3) for t in stages] for stages in times],
    }


def p99_bound(ordered: list[float]) -> float | None:
    """One-sided upper 95 % bound of the 99th percentile, by order statistics; None: n < 299."""
    n, below = len(ordered), 0.0
    for rank in range(n):
        ways = math.lgamma(n + 1) - math.lgamma(rank + 1) - math.lgamma(n - rank + 1)
        below += math.exp(ways + rank * math.log(0.99) + (n - rank) * math.log(0.01))
        if below >= 0.95:
            return ordered[rank]
    return None


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| sessions | n | p50 ms | p99 ms | p99 ≤ (95 %) | max | encode | step | decode | GB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        memory = f"{row['peak_gb']:.1f}" if "peak_gb" in row else "–"
        if "error" in row:
            lines.append(f"| {row['batch']} | {row['error']} |" + " – |" * 7 + f" {memory} |")
            continue
        bound = row["p99_bound_ms"]
        stages = " | ".join(f"{row['stages_p50_ms'][s]:.1f}" for s in STAGES)
        lines.append(
            f"| {row['batch']} | {row['n']} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} | "
            f"{'insufficient n' if bound is None else f'{bound:.1f}'} | {row['max_ms']:.1f} | "
            f"{stages} | {memory} |"
        )
    return "\n".join(lines)


def _verdict(holds: int, rows: list[dict[str, Any]], asked: list[int]) -> str:
    if any(row.get("n", 299) < 299 for row in rows):
        return "no verdict on real time: p99 can be bounded from 299 frames on (--frames 300)"
    among = f" of those asked for ({', '.join(map(str, asked))})" if asked else ""
    if not holds:
        return f"no batch{among} holds {BUDGET_MS:g} ms at p99"
    return f"largest batch{among} that holds {BUDGET_MS:g} ms at p99: {holds}"


if __name__ == "__main__":
    sys.exit(main())
