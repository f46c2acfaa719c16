"""Makes a Moonshine with random weights: encoder and decoder in onnxruntime's own format.

Run by the interpreter of the engine environment ``moonshine``, which has onnx and onnxruntime:
``python -m pipelines.engines.synthetic.moonshine FOLDER SIZE``. Layers and dimensions are those of
Moonshine tiny and base; left out is the turning of queries and keys by position (a percent of the
time), and weights are float32, where the published ones are int8. The tokenizer is the package's.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.engines.row import Maker
from pipelines.engines.synthetic.onnx_graph import Graph
from pipelines.engines.synthetic.words import SYNTHETIC_FILE, marked_beside

HEADS = 8
SPECIAL = 3
"""Tokens that begin, end and fill: never said."""


@dataclass(frozen=True, slots=True)
class Size:
    """Dimensions; the library derives layers and width of a head from the model's name."""

    hidden: int
    head: int
    layers: int
    words: int
    """Number of the tokenizer's 32,768 tokens, from the first on, that can be said."""
    around: int = 0
    """Width of the layers' in- and output; 0: ``hidden``."""

    @property
    def width(self) -> int:
        """Width of the layers' in- and output."""
        return self.around or self.hidden


SIZES: dict[str, Size] = {
    "micro": Size(288, 36, 6, 1000, around=32),
    "tiny": Size(288, 36, 6, 32768),
    "base": Size(416, 52, 8, 32768),
}
"""Name → dimensions; micro is a tiny whose layers are narrow between the heads."""


def encoder(size: Size, seed: int) -> Graph:
    """``input_values`` (1, samples) → ``last_hidden_state`` (1, frames, width)."""
    g, d = Graph(seed), size.width
    x = g.add("Unsqueeze", "input_values", g.constant([1], "int64"))
    x = g.add("Tanh", g.add("Conv", x, g.random(d, 1, 127), strides=[64]))
    ones, zeros = g.constant([1.0]), g.constant([0.0])
    flat = g.add("Reshape", x, g.constant([1, 1, -1], "int64"))
    flat = g.add("InstanceNormalization", flat, ones, zeros)
    x = g.add("Reshape", flat, g.constant([1, d, -1], "int64"))
    x = _gelu(g, g.add("Conv", x, g.random(2 * d, d, 7), strides=[3]))
    x = _gelu(g, g.add("Conv", x, g.random(d, 2 * d, 3), strides=[2]))
    x = g.add("Transpose", x, perm=[0, 2, 1])
    for _ in range(size.layers):
        y = g.norm(x, d)
        q, k, v = (_heads(g, y, size) for _ in range(3))
        x = g.add("Add", x, g.linear(g.attend(q, k, v, size.head), size.hidden, d))
        y = _gelu(g, g.linear(g.norm(x, d), d, 4 * d))
        x = g.add("Add", x, g.linear(y, 4 * d, d))
    g.add("Mul", g.norm(x, d), g.constant(1.0), name="last_hidden_state")
    return g


def decoder(size: Size, seed: int) -> Graph:
    """One token, given the text and the sound so far; the keys and values of both come back as
    ``present``.
    """
    g, d = Graph(seed), size.width
    table = g.random(size.words, d, fan_in=1)
    x = g.add("Gather", table, "input_ids")  # (1, 1, width)
    again = g.add("Cast", "use_cache_branch", to=7)
    for layer in range(size.layers):
        past, present = f"past_key_values.{layer}", f"present.{layer}"
        y = g.norm(x, d)
        q, k, v = (_heads(g, y, size) for _ in range(3))
        k = _after(g, f"{past}.decoder.key", k, again, f"{present}.decoder.key")
        v = _after(g, f"{past}.decoder.value", v, again, f"{present}.decoder.value")
        x = g.add("Add", x, g.linear(g.attend(q, k, v, size.head), size.hidden, d))
        q = _heads(g, g.norm(x, d), size)
        k, v = (f"{present}.encoder.{name}" for name in ("key", "value"))
        _heard(g, layer, size, (k, v))
        x = g.add("Add", x, g.linear(g.attend(q, k, v, size.head), size.hidden, d))
        both = g.linear(g.norm(x, d), d, 8 * d)
        value, gate = g.split(both, g.constant([4 * d, 4 * d], "int64"), axis=2)
        gate = g.add("Mul", gate, g.add("Sigmoid", gate))
        x = g.add("Add", x, g.linear(g.add("Mul", value, gate), 4 * d, d))
    scores = g.add("MatMul", g.norm(x, d), g.add("Transpose", table, perm=[1, 0]))
    never = [-1e9] * SPECIAL + [0.0] * (size.words - SPECIAL)
    g.add("Add", scores, g.constant(never), name="logits")
    return g


def _after(g: Graph, past: str, new: str, again: str, name: str) -> str:
    """The old keys and values, where there were some, and the new ones."""
    length = g.add("Slice", g.add("Shape", past), *(g.constant([i], "int64") for i in (2, 3)))
    zero, two = g.constant([0], "int64"), g.constant([2], "int64")
    kept = g.add("Slice", past, zero, g.add("Mul", length, again), two)
    return g.add("Concat", kept, new, axis=2, name=name)


def _heard(g: Graph, layer: int, size: Size, names: tuple[str, str]) -> None:
    """Keys and values of the sound: computed at the first token, kept for the others."""
    past = [f"past_key_values.{layer}.encoder.{name}" for name in ("key", "value")]

    def keep() -> tuple[str, ...]:
        return tuple(g.add("Identity", name) for name in past)

    def compute() -> tuple[str, ...]:
        return tuple(_heads(g, "encoder_hidden_states", size) for _ in past)

    kept, made = g.branch(f"kept_{layer}", keep), g.branch(f"made_{layer}", compute)
    g.choose("use_cache_branch", kept, made, names)


def _heads(g: Graph, x: str, size: Size) -> str:
    return g.heads(g.linear(x, size.width, size.hidden), HEADS, size.head)


def _gelu(g: Graph, x: str) -> str:
    half = g.add("Mul", x, g.constant(0.5))
    erf = g.add("Erf", g.add("Mul", x, g.constant(2**-0.5)))
    return g.add("Mul", half, g.add("Add", erf, g.constant(1.0)))


def make(folder: Path, size: Size, seed: int = 0) -> None:
    """Writes encoder, decoder and tokenizer."""
    import moonshine_voice
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info
    folder.mkdir(parents=True, exist_ok=True)
    f32, d = TensorProto.FLOAT, size.width
    cache = [1, HEADS, None, size.head]
    names = [f"{i}.{a}.{b}" for i in range(size.layers) for a in ("decoder", "encoder")
             for b in ("key", "value")]  # fmt: skip
    heard: list[Any] = [1, "frames", d]
    _write(
        encoder(size, seed),
        folder / "encoder_model.ort",
        [info("input_values", f32, [1, "samples"])],
        [info("last_hidden_state", f32, heard)],
    )
    _write(
        decoder(size, seed + 1),
        folder / "decoder_model_merged.ort",
        [
            info("input_ids", TensorProto.INT64, [1, 1]),
            info("encoder_hidden_states", f32, heard),
            *(info(f"past_key_values.{name}", f32, cache) for name in names),
            info("use_cache_branch", TensorProto.BOOL, [1]),
        ],
        [
            info("logits", f32, [1, 1, size.words]),
            *(info(f"present.{name}", f32, cache) for name in names),
        ],
    )
    found = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en" / "tokenizer.bin"
    (folder / "tokenizer.bin").write_bytes(found.read_bytes())
    (folder / SYNTHETIC_FILE).write_text(json.dumps({"seed": seed}), encoding="utf-8")


def _write(g: Graph, path: Path, inputs: list[Any], outputs: list[Any]) -> None:
    """Through ONNX into the format that Moonshine's library loads."""
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="duplex-lab-moonshine-") as scratch:
        plain = Path(scratch) / "network.onnx"
        g.save(plain, inputs, outputs)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        options.add_session_config_entry("session.save_model_format", "ORT")
        onnxruntime.InferenceSession(str(plain), options, providers=["CPUExecutionProvider"])


MAKER = Maker(
    "moonshine",
    gb=dict(zip(SIZES, (0.05, 0.3, 0.6), strict=True)),
    is_random=marked_beside,
    environment="moonshine",
)


if __name__ == "__main__":
    make(Path(sys.argv[1]), SIZES[sys.argv[2]])
