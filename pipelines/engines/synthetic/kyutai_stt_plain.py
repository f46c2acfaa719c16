"""Makes one of Kyutai's recognisers with random weights in our own Python, without torch.

The same config, names and shapes as `pipelines.engines.synthetic.kyutai_stt`; the codec always has
its full size.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.engines.row import Maker
from pipelines.engines.stt.kyutai_stt import CONFIG, NAMES
from pipelines.engines.synthetic.kyutai_stt import SIZES, Size, config
from pipelines.engines.synthetic.words import SYNTHETIC_FILE, marked_beside

_CALIBRATION_SAMPLES = 100 * 1920
_SILENT = 4
"""Text tokens that are never said: those of silence among them."""


def make(folder: Path, size: str, seed: int = 0) -> None:
    """Writes the checkpoint."""
    import numpy as np

    from pipelines.duplex.moshi.weights import mimi
    from pipelines.weights import safetensors
    from pipelines.weights.safetensors import Tensor, to_bf16
    from pipelines.weights.tokenizer import train

    folder.mkdir(parents=True, exist_ok=True)
    table = {k: v for k, v in config(SIZES[size]).items() if k != "mimi_config_name"}
    data, pieces = train(SIZES[size].text_card)
    (folder / NAMES["tokenizer_name"]).write_bytes(data)
    noise = np.random.default_rng(seed).standard_normal(_CALIBRATION_SAMPLES) * 0.1
    mimi.write(folder / NAMES["mimi_name"], mimi.make(noise.astype(np.float32), seed))
    shapes = dict(_shapes(SIZES[size]))

    def made() -> Iterator[tuple[str, Any]]:
        for name, shape in shapes.items():
            rng = np.random.Generator(np.random.SFC64([seed, zlib.crc32(name.encode())]))
            values = rng.standard_normal(shape, np.float32)
            values *= np.float32(1.0 if "emb" in name else shape[-1] ** -0.5)
            if name.endswith(".alpha"):
                values[...] = 1.0
            if name == "text_linear.weight":
                values[:_SILENT], values[pieces:] = 0, 0
            yield name, to_bf16(values)

    layout = {name: Tensor("BF16", shape) for name, shape in shapes.items()}
    safetensors.write(folder / NAMES["moshi_name"], layout, made(), {"format": "pt"})
    for name, held in ((CONFIG, table), (SYNTHETIC_FILE, {"seed": seed})):
        (folder / name).write_text(json.dumps(held, indent=1), encoding="utf-8")


def _shapes(size: Size) -> Iterator[tuple[str, tuple[int, ...]]]:
    dim, hidden = size.dim, 11 * size.dim // 4
    yield "text_emb.weight", (size.text_card + 1, dim)
    for i in range(size.codebooks):
        yield f"emb.{i}.weight", (2049, dim)
    for i in range(size.layers):
        layer = f"transformer.layers.{i}"
        yield f"{layer}.norm1.alpha", (1, 1, dim)
        yield f"{layer}.self_attn.in_projs.0.weight", (3 * dim, dim)
        yield f"{layer}.self_attn.out_projs.0.weight", (dim, dim)
        yield f"{layer}.norm2.alpha", (1, 1, dim)
        yield f"{layer}.gating.linear_in.weight", (2 * hidden, dim)
        yield f"{layer}.gating.linear_out.weight", (dim, hidden)
    yield "out_norm.alpha", (1, 1, dim)
    yield "text_linear.weight", (size.text_card, dim)
    for i in range(4):
        yield f"extra_heads.{i}.weight", (6, dim)


MAKER = Maker(
    "kyutai-stt-plain",
    gb=dict(zip(SIZES, (0.5, 5.0), strict=True)),
    is_random=marked_beside,
    make=make,
)
