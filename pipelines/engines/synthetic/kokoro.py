"""Makes a Kokoro with random weights: the network as kokoro-onnx takes it, and its voices.

Run by the interpreter of the engine environment ``kokoro``, which has onnx:
``python -m pipelines.engines.synthetic.kokoro FOLDER SIZE``. The layers and dimensions are those of
Kokoro's config: ALBERT, duration and prosody predictors, text encoder, decoder and ISTFTNet. What
the duration predictor says is computed and not obeyed: each phoneme lasts equally long (a forced
length).
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.engines.row import Maker
from pipelines.engines.synthetic.kokoro_layers import Layers
from pipelines.engines.synthetic.onnx_graph import Graph
from pipelines.engines.synthetic.words import SYNTHETIC_FILE, marked_beside

SYMBOLS = 178
STYLE = 128
"""Half of a voice's vector: one for the sound, one for the prosody."""
LONGEST = 510
"""Phonemes of one batch: a voice has a vector for each length."""
FRAMES_PER_TOKEN = 3.0
"""Number of frames of 25 ms per token."""
FRAME_SAMPLES = 600
VOICES = ("af_heart", "bf_emma")


@dataclass(frozen=True, slots=True)
class Size:
    """Dimensions of one network."""

    bert: int
    """Width of the ALBERT, in heads of 64."""
    bert_layers: int
    """Number of times that its one layer is applied."""
    hidden: int
    """Width of the encoders and predictors; the decoder is twice as wide."""


SIZES: dict[str, Size] = {"micro": Size(64, 1, 32), "82m": Size(768, 12, 512)}
"""Name → dimensions; 82m is Kokoro's own."""


def network(size: Size, seed: int) -> Graph:
    """Inputs ``input_ids``, ``style``, ``speed``; outputs ``audio``, ``duration``."""
    g = Graph(seed)
    n = Layers(g, STYLE)
    hidden = size.hidden
    halves = g.constant([STYLE, STYLE], "int64")
    n.sound, n.prosody = g.split("style", halves, axis=1)
    known = n.albert("input_ids", SYMBOLS, size.bert, size.bert_layers)
    known = g.linear(known, size.bert, hidden)  # (1, T, hidden)
    context = n.duration_encoder(known, hidden)  # (T, 1, hidden + style)
    predicted = g.linear(g.lstm(context, hidden + STYLE, hidden // 2), hidden, 50)
    predicted = g.add(
        "ReduceSum", g.add("Sigmoid", predicted), g.constant([2], "int64"), keepdims=0
    )
    lengths = _lengths(g, predicted)  # (1, T)
    prosody = g.repeat(g.add("Transpose", context, perm=[1, 2, 0]), lengths, hidden + STYLE)
    shared = g.add("Transpose", prosody, perm=[2, 0, 1])
    shared = g.lstm(shared, hidden + STYLE, hidden // 2)
    shared = g.add("Transpose", shared, perm=[1, 2, 0])  # (1, hidden, frames)
    pitch, energy = n.curve(shared, hidden), n.curve(shared, hidden)  # (1, 1, 2 frames)
    text = n.text_encoder("input_ids", SYMBOLS, hidden)
    text = g.repeat(text, lengths, hidden)
    x = n.decoder(text, pitch, energy, hidden)
    n.vocoder(x, pitch, hidden)
    return g


def _lengths(g: Graph, predicted: str) -> str:
    """Frames of each token (1, T): the forced ones, the prediction (T, 1) taken 0 times."""
    nothing = g.add("Mul", g.add("Transpose", predicted, perm=[1, 0]), g.constant(0.0))
    forced = g.add("Div", g.constant([FRAMES_PER_TOKEN]), "speed")
    frames = g.add("Ceil", g.add("Add", nothing, forced))
    return g.add("Cast", frames, to=7, name="duration")


def make(folder: Path, size: Size, seed: int = 0) -> None:
    """Writes ``kokoro.onnx`` and ``voices.bin``."""
    import numpy as np
    from onnx import TensorProto, helper

    folder.mkdir(parents=True, exist_ok=True)
    info = helper.make_tensor_value_info
    network(size, seed).save(
        folder / "kokoro.onnx",
        [
            info("input_ids", TensorProto.INT64, [1, "tokens"]),
            info("style", TensorProto.FLOAT, [1, 2 * STYLE]),
            info("speed", TensorProto.FLOAT, [1]),
        ],
        [
            info("audio", TensorProto.FLOAT, ["samples"]),
            info("duration", TensorProto.INT64, [1, "tokens"]),
        ],
    )
    rng = np.random.default_rng(seed)
    styles: dict[str, Any] = {
        name: 0.1 * rng.standard_normal((LONGEST, 1, 2 * STYLE), np.float32) for name in VOICES
    }
    with (folder / "voices.bin").open("wb") as file:
        np.savez(file, **styles)
    (folder / SYNTHETIC_FILE).write_text(json.dumps({"seed": seed}), encoding="utf-8")


MAKER = Maker(
    "kokoro",
    gb=dict(zip(SIZES, (0.02, 0.8), strict=True)),
    is_random=marked_beside,
    main="kokoro.onnx",
    environment="kokoro",
)


if __name__ == "__main__":
    make(Path(sys.argv[1]), SIZES[sys.argv[2]])
