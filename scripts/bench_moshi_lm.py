"""Moshi's language model in ONNX Runtime beside moshi_mlx: one process, a step of each turn about.

``python scripts/bench_moshi_lm.py [--sizes tiny,100m,300m] [--steps 200] [--json FILE]``

A step is what happens between the user's codes and the model's: temporal and depth transformer and
sampling, with one thread. moshi_mlx is taken from its engine environment, in bf16 and in q4; both
read the same synthetic weights, made if missing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench_mimi import borrow

from bench.machine.description import describe
from pipelines.duplex.moshi.onnx.lm import LmConversation, OnnxLm
from pipelines.duplex.moshi.weights import files
from pipelines.duplex.moshi.weights.files import read_config

WARM_STEPS = 10
Step = Callable[[Any], Any]
"""(8,) codes of the user → what is said."""


def main() -> None:
    """Measures each size, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="tiny,100m,300m")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--precision", default="q4", choices=("q4", "q8", "f32"))
    parser.add_argument("--json", type=Path, help="a file for the figures")
    asked = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read as mlx is imported
    borrow("moshi-mlx")
    found: dict[str, Any] = {"cpu": describe()["cpu"], "steps": asked.steps}
    print(f"{found['cpu']}; {asked.steps} steps; medians in ms")
    for size in asked.sizes.split(","):
        found[size] = facts = measure(size, asked.precision, asked.steps)
        parts = "  ".join(f"{name} {ms:.1f}" for name, ms in facts["ms"].items())
        print(f"{size:5} {parts}  onnx / the faster mlx: {facts['ratio']:.3f}", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


def measure(size: str, precision: str, steps: int) -> dict[str, Any]:
    """The medians of one size."""
    whole = files.ensure(size, "bf16", print)
    config = read_config(whole.config)
    lm = OnnxLm(whole.lm, config, str(whole.config), precision=precision, tell=print)
    conversation = LmConversation(lm)
    run: dict[str, Step] = {
        "mlx bf16": mlx(whole, "bf16", steps),
        "mlx q4": mlx(files.ensure(size, "q4", print), "q4", steps),
    }
    ms: dict[str, list[float]] = {n: [] for n in ("onnx", "temporal", "depth", *run)}
    for codes in np.random.default_rng(0).integers(0, lm.shape.card, (steps, 8)):
        began = perf_counter()
        step = conversation.step(codes)
        ms["onnx"].append(1e3 * (perf_counter() - began))
        for name, (start, end) in (("temporal", step.temporal), ("depth", step.depth)):
            ms[name].append((end - start) / 1e6)
        for name, other in run.items():
            began = perf_counter()
            other(codes)
            ms[name].append(1e3 * (perf_counter() - began))
    medians = {name: median(each[WARM_STEPS:]) for name, each in ms.items()}
    ratio = medians["onnx"] / min(medians[name] for name in run)
    return {"ms": medians, "ratio": ratio, "state_bytes": conversation.state_bytes}


def mlx(folder: files.Folder, precision: str, steps: int) -> Step:
    """moshi_mlx's step, as our adapter loads it."""
    import mlx.core as mx
    from moshi_mlx import models, utils

    from pipelines.duplex.moshi.mlx import TOP_K_AUDIO, TOP_K_TEXT, MoshiMlx

    paths: dict[str, Any] = dict(folder.options)
    model = MoshiMlx(**paths, precision=precision)
    loaded = model._load_lm(read_config(folder.config), precision == "bf16")
    gen = models.LmGen(
        model=loaded,
        max_steps=steps + 1,
        text_sampler=utils.Sampler(temp=0.7, top_k=TOP_K_TEXT),
        audio_sampler=utils.Sampler(temp=0.8, top_k=TOP_K_AUDIO),
    )

    def step(codes: Any) -> Any:
        token = gen.step(mx.array(codes[None].astype(np.int32)))[0]
        said = gen.last_audio_tokens()
        return token.item(), None if said is None else np.array(said)

    return step


if __name__ == "__main__":
    main()
