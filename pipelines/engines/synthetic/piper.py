"""Makes a Piper voice with random weights: a VITS as Piper exports it, and its configuration.

Run by the interpreter of the engine environment ``piper``, which has onnx:
``python -m pipelines.engines.synthetic.piper FOLDER SIZE``. Text encoder, flow and HiFi-GAN have
the layers and dimensions of Piper's. Each phoneme lasts equally long (a forced length) instead of
what a duration predictor says, which is left out: of a real voice it takes a few percent.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from pipelines.engines.row import Maker
from pipelines.engines.synthetic.onnx_graph import Graph

RATE_HZ = 22050
HOP = 256
FRAMES_PER_ID = 3.0
"""Number of frames of 11.6 ms per id; an id is a phoneme or the pause after it, so that speech has
its usual speed."""


@dataclass(frozen=True, slots=True)
class Size:
    """Dimensions of one VITS."""

    hidden: int
    """Channels of text encoder and flow; even."""
    filter: int
    """Channels within the encoder's feed-forward layers."""
    layers: int
    """Number of layers of the encoder."""
    first: int
    """Channels of the HiFi-GAN before it widens in time."""
    flows: int = 4
    """Coupling layers."""


SIZES: dict[str, Size] = {
    "micro": Size(16, 32, 1, 16, flows=1),
    "medium": Size(192, 768, 6, 256),
}
"""Name → dimensions; medium is Piper's own, of most of its voices."""

_UPSAMPLE = ((8, 16), (8, 16), (4, 8))  # (factor, kernel)
_BLOCKS = ((3, (1, 2)), (5, (2, 6)), (7, (3, 12)))  # (kernel, dilations)


def _encoder(g: Graph, ids: str, size: Size, symbols: int) -> str:
    """Phoneme ids (1, T) → (1, hidden, T)."""
    hidden = size.hidden
    x = g.add("Gather", g.random(symbols, hidden, fan_in=1), ids)
    ones = g.constant([1.0] * hidden)
    for _ in range(size.layers):
        q, k, v = (_heads(g, x, hidden) for _ in range(3))
        keys = g.add("Transpose", k, perm=[0, 1, 3, 2])
        scores = g.add("Mul", g.add("MatMul", q, keys), g.constant((hidden / 2) ** -0.5))
        seen = g.add("MatMul", g.add("Softmax", scores, axis=-1), v)
        seen = g.add("Transpose", seen, perm=[0, 2, 1, 3])
        seen = g.add("Reshape", seen, g.constant([1, -1, hidden], "int64"))
        seen = g.add("MatMul", seen, g.random(hidden, hidden))
        x = g.add("LayerNormalization", g.add("Add", x, seen), ones)
        wide = g.conv(g.add("Transpose", x, perm=[0, 2, 1]), hidden, size.filter, 3)
        back = g.conv(g.add("Relu", wide), size.filter, hidden, 3)
        back = g.add("Transpose", back, perm=[0, 2, 1])
        x = g.add("LayerNormalization", g.add("Add", x, back), ones)
    return g.conv(g.add("Transpose", x, perm=[0, 2, 1]), hidden, hidden)


def _heads(g: Graph, x: str, hidden: int) -> str:
    """(1, T, hidden) → (1, 2 heads, T, hidden / 2)."""
    x = g.add("MatMul", x, g.random(hidden, hidden))
    x = g.add("Reshape", x, g.constant([1, -1, 2, hidden // 2], "int64"))
    return g.add("Transpose", x, perm=[0, 2, 1, 3])


def _last(g: Graph, scales: str, index: int) -> str:
    return g.add("Gather", scales, g.constant([index], "int64"), axis=0)


def _expand(g: Graph, x: str, scales: str, ids: str, hidden: int) -> str:
    """Repeats each phoneme for its frames: (1, hidden, T) → (1, hidden, frames)."""
    lengths = g.add("Mul", _last(g, scales, 1), g.constant([FRAMES_PER_ID]))
    ones = g.add("Add", g.add("Mul", g.add("Cast", ids, to=1), g.constant(0.0)), g.constant(1.0))
    g.add("Ceil", g.add("Mul", ones, lengths), name="w_ceil")  # (1, T): Piper aligns by it
    return g.repeat(x, g.add("Cast", "w_ceil", to=7), hidden)


def _flow(g: Graph, z: str, size: Size) -> str:
    """The coupling layers, each a WaveNet of four layers."""
    half, hidden = size.hidden // 2, size.hidden
    halves = g.constant([half, half], "int64")
    for _ in range(size.flows):
        first, second = g.split(z, halves, axis=1)
        x = g.conv(first, half, hidden)
        total = ""
        for _ in range(4):
            gate = g.conv(x, hidden, hidden, 5)
            value = g.conv(x, hidden, hidden, 5)
            both = g.add("Mul", g.add("Tanh", value), g.add("Sigmoid", gate))
            x = g.add("Add", x, g.conv(both, hidden, hidden))
            skip = g.conv(both, hidden, hidden)
            total = g.add("Add", total, skip) if total else skip
        second = g.add("Sub", second, g.conv(total, hidden, half))
        z = g.add("Concat", second, first, axis=1)
    return z


def _vocoder(g: Graph, z: str, size: Size) -> str:
    """HiFi-GAN: (1, hidden, frames) → (1, 1, samples)."""
    channels = size.first
    x = g.conv(z, size.hidden, channels, 7)
    for factor, kernel in _UPSAMPLE:
        x = g.add("LeakyRelu", x, alpha=0.1)
        pad = (kernel - factor) // 2
        weight = g.random(channels, channels // 2, kernel, fan_in=channels * kernel // factor)
        x = g.add("ConvTranspose", x, weight, strides=[factor], pads=[pad, pad])
        channels //= 2
        total = ""
        for width, dilations in _BLOCKS:
            y = x
            for dilation in dilations:
                part = g.add("LeakyRelu", y, alpha=0.1)
                y = g.add("Add", y, g.conv(part, channels, channels, width, dilation))
            total = g.add("Add", total, y) if total else y
        x = g.add("Mul", total, g.constant(1 / len(_BLOCKS)))
    return g.add("Tanh", g.conv(g.add("LeakyRelu", x, alpha=0.1), channels, 1, 7), name="output")


def make(folder: Path, size: Size, seed: int = 0) -> None:
    """Writes ``voice.onnx`` and ``voice.onnx.json``."""
    from onnx import TensorProto, helper
    from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

    symbols = 1 + max(max(ids) for ids in DEFAULT_PHONEME_ID_MAP.values())
    g = Graph(seed)
    x = _encoder(g, "input", size, symbols)
    x = _expand(g, x, "scales", "input", size.hidden)
    noise = g.add("Mul", g.add("RandomNormalLike", x, seed=float(seed)), _last(g, "scales", 0))
    _vocoder(g, _flow(g, g.add("Add", x, noise), size), size)
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "samples"])]
    folder.mkdir(parents=True, exist_ok=True)
    g.save(folder / "voice.onnx", inputs, outputs)
    config = {
        "audio": {"sample_rate": RATE_HZ, "quality": "synthetic"},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "espeak",
        "num_symbols": symbols,
        "num_speakers": 1,
        "hop_length": HOP,
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_id_map": dict(DEFAULT_PHONEME_ID_MAP),
    }
    (folder / "voice.onnx.json").write_text(json.dumps(config), encoding="utf-8")


def _is_random(path: Path) -> bool:
    table = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
    return bool(table["audio"].get("quality") == "synthetic")


MAKER = Maker(
    "piper",
    gb=dict(zip(SIZES, (0.01, 0.2), strict=True)),
    is_random=_is_random,
    main="voice.onnx",
    environment="piper",
)


if __name__ == "__main__":
    make(Path(sys.argv[1]), SIZES[sys.argv[2]])
