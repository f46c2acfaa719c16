"""Mimi in ONNX Runtime beside rustymimi, and torch: times, codes, sound.

One process, one thread, one frame of each turn about, so that a busy machine slows all of them.

``python scripts/bench_mimi.py [--seconds 64] [--precision auto] [--torch] [--json FILE]``

rustymimi is taken from the engine environment moshi-mlx, torch from moshi-torch, which must have
our own version of Python. The codec's weights are synthetic ones of full size, made if missing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.machine.description import describe
from pipelines.duplex.moshi.onnx.mimi import MimiOnnx
from pipelines.duplex.moshi.weights import files
from pipelines.duplex.moshi.weights.mimi import FRAME_SAMPLES, read_audio
from pipelines.installation import shipped_fixtures
from pipelines.process import environment

WARM_FRAMES = 10
Array = npt.NDArray[Any]
Codec = tuple[Callable[[Array], Array], Callable[[Array], Array]]
"""(1, 1, 1920) → (1, 8, 1), and back."""


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=64.0, help="speech to encode")
    parser.add_argument("--precision", default="auto", choices=("auto", "f32", "int8"))
    parser.add_argument("--torch", action="store_true", help="torch, too, and its whole signal")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    asked = parser.parse_args()
    mimi = files.ensure("tiny", "bf16", print).mimi
    ours = MimiOnnx(mimi, precision=asked.precision, tell=print)
    codecs: dict[str, Codec] = {
        "onnx": (ours.encode_step, ours.decode_step),
        "rustymimi": rust(mimi),
    }
    whole: Callable[[Array, Array], tuple[Array, Array]] | None = None
    if asked.torch:
        codecs["torch"], whole = torch(mimi)
    pcm = speech(asked.seconds)
    found = measure(codecs, pcm)
    codes, sound, times = found
    facts: dict[str, Any] = {
        "cpu": describe()["cpu"],
        "frames": len(codes["onnx"]),
        "onnx": ours.facts,
    }
    facts["ms"] = {name: {half: median(ms[WARM_FRAMES:]) for half, ms in each.items()}
                   for name, each in times.items()}  # fmt: skip
    total = {name: sum(each.values()) for name, each in facts["ms"].items()}
    facts["ratio"] = {name: total["onnx"] / ms for name, ms in total.items() if name != "onnx"}
    facts["same_codes"] = {n: same(codes["onnx"], codes[n]) for n in codecs if n != "onnx"}
    facts["snr_db"] = {n: snr_db(sound[n], sound["onnx"]) for n in codecs if n != "onnx"}
    if whole is not None:
        whole_codes, whole_sound = whole(pcm, codes["rustymimi"])
        facts["same_codes"]["torch, whole"] = same(codes["onnx"], whole_codes)
        facts["snr_db"]["torch, whole"] = snr_db(whole_sound, sound["onnx"])
        facts["largest_difference"] = float(np.abs(whole_sound - sound["onnx"]).max())
    show(facts)
    if asked.json:
        asked.json.write_text(json.dumps(facts, indent=1), encoding="utf-8")


def measure(
    codecs: dict[str, Codec], pcm: Array
) -> tuple[dict[str, Array], dict[str, Array], dict[str, dict[str, list[float]]]]:
    """Codes (frames, 8) and sound (samples,) of each, and the times of each frame's halves, ms.

    All decode the same codes, rustymimi's, so that their sound can be compared.
    """
    codes: dict[str, list[Array]] = {name: [] for name in codecs}
    sound: dict[str, list[Array]] = {name: [] for name in codecs}
    times: dict[str, dict[str, list[float]]] = {n: {"encode": [], "decode": []} for n in codecs}
    for frame in pcm.reshape(-1, 1, 1, FRAME_SAMPLES):
        for name, (encode, _) in codecs.items():
            began = perf_counter()
            codes[name].append(encode(frame))
            times[name]["encode"].append(1e3 * (perf_counter() - began))
        given = codes["rustymimi"][-1]
        for name, (_, decode) in codecs.items():
            began = perf_counter()
            sound[name].append(np.array(decode(given)).reshape(-1))
            times[name]["decode"].append(1e3 * (perf_counter() - began))
    whole_codes = {name: np.array(c)[:, 0, :, 0].astype(int) for name, c in codes.items()}
    return whole_codes, {name: np.concatenate(s) for name, s in sound.items()}, times


def rust(mimi: Path) -> Codec:
    """rustymimi, with one thread."""
    os.environ["RAYON_NUM_THREADS"] = "1"
    borrow("moshi-mlx")
    import rustymimi

    codec: Any = rustymimi.Tokenizer(str(mimi), num_codebooks=8)
    return codec.encode_step, codec.decode_step


def torch(mimi: Path) -> tuple[Codec, Callable[[Array, Array], tuple[Array, Array]]]:
    """The package moshi, with one thread: frame by frame, and a whole signal at once."""
    os.environ["NO_TORCH_COMPILE"] = "1"
    borrow("moshi-torch")
    import torch
    from moshi.models import loaders

    torch.set_num_threads(1)
    codec, at_once = (loaders.get_mimi(mimi, num_codebooks=8) for _ in range(2))
    codec.streaming_forever(1)

    def encode(pcm: Array) -> Array:
        with torch.no_grad():
            return np.asarray(codec.encode(torch.from_numpy(pcm)).numpy())

    def decode(codes: Array) -> Array:
        with torch.no_grad():
            return np.asarray(codec.decode(torch.from_numpy(codes.astype(np.int64))).numpy())

    def whole(pcm: Array, given: Array) -> tuple[Array, Array]:
        with torch.no_grad():
            codes = at_once.encode(torch.from_numpy(pcm)[None, None])
            said = at_once.decode(torch.from_numpy(given.T[None].astype(np.int64)))
            return codes[0].T.numpy(), said.numpy().reshape(-1)

    return (encode, decode), whole


def borrow(name: str) -> None:
    """Makes an engine environment's packages importable here, behind our own."""
    python = environment.ensure(name, print)
    code = "import sys, sysconfig; print(sys.version_info[:2], sysconfig.get_path('purelib'))"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    version, _, folder = said.strip().rpartition(" ")
    if version != str(sys.version_info[:2]):
        sys.exit(f"The environment {name} has Python {version}, and this is {sys.version}.")
    sys.path.append(folder)


def speech(seconds: float) -> Array:
    """Speech of the fixtures, again and again if there is too little: (samples,) in ±1."""
    paths = sorted(p for p in shipped_fixtures().glob("*.wav") if p.stem.count(".") == 0)
    pcm = read_audio(paths, seconds)
    frames = int(seconds * 12.5)
    return np.resize(pcm, frames * FRAME_SAMPLES)


def same(a: Array, b: Array) -> float:
    """Share of equal codes."""
    return float((a == b).mean())


def snr_db(wanted: Array, given: Array) -> float:
    """Signal-to-noise ratio of ``given``."""
    noise = float(((wanted - given).astype(np.float64) ** 2).sum()) + 1e-30
    return float(10 * np.log10((wanted.astype(np.float64) ** 2).sum() / noise))


def show(facts: dict[str, Any]) -> None:
    """Prints the figures."""
    print(f"{facts['cpu']}; {facts['frames']} frames; {json.dumps(facts['onnx'])}")
    for name, ms in facts["ms"].items():
        print(f"{name:12} encode {ms['encode']:5.1f} ms   decode {ms['decode']:5.1f} ms (median)")
    for name, ratio in facts["ratio"].items():
        print(f"onnx / {name}: {ratio:.3f}")
    for name, share in facts["same_codes"].items():
        print(f"codes equal to those of {name}: {100 * share:.2f} %")
    for name, snr in facts["snr_db"].items():
        print(f"sound against {name}: {snr:.1f} dB")
    if "largest_difference" in facts:
        print(
            f"largest difference of a sample from torch, whole: {facts['largest_difference']:.1e}"
        )


if __name__ == "__main__":
    main()
