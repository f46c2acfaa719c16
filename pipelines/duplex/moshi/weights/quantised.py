"""Synthetic language models in moshi_mlx's quantised form; it needs mlx, so it runs in its
environment.

A small one is quantised from its bf16 checkpoint, as Kyutai's are. One whose bf16 file would not
fit a small machine is made directly of random packed bits with constant scales: the same shapes and
the same work for the machine, never anything else in memory or on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.cache import Tell
from pipelines.duplex.moshi.weights.lm import AUDIO_LOGIT, STEADY, generator, pad_weight, watched
from pipelines.weights import safetensors
from pipelines.weights.safetensors import Tensor, to_bf16
from pipelines.weights.sizes import BITS, GROUP_SIZE, PAD_ID, Size, config

_DTYPES = {"uint32": "U32", "bfloat16": "BF16", "float32": "F32"}
Array = npt.NDArray[Any]


def write_from_bf16(path: Path, source: Path, size: Size, precision: str) -> None:
    """Quantises a torch checkpoint."""
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from moshi_mlx.models import Lm, LmConfig

    mx.set_default_device(mx.cpu)
    lm_config = LmConfig.from_config_dict(config(size))
    model = Lm(lm_config)
    model.load_pytorch_weights(str(source), lm_config, strict=True)
    _quantise(model, precision)
    found = dict(sorted(tree_flatten(model.parameters())))
    layout = {name: _entry(value) for name, value in found.items()}

    def made() -> Iterator[tuple[str, Array]]:
        for name, value in found.items():
            bits = value.view(mx.uint16) if layout[name].dtype == "BF16" else value
            yield name, np.array(bits)

    safetensors.write(path, layout, made(), {"format": "mlx"})


def write_directly(
    path: Path, size: Size, precision: str, seed: int, pieces: int, tell: Tell
) -> None:
    """Writes random packed weights; a few tensors are in memory at a time."""
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from moshi_mlx.models import Lm, LmConfig

    mx.set_default_device(mx.cpu)
    model = Lm(LmConfig.from_config_dict(config(size)))  # mlx is lazy: none of it is computed
    model.set_dtype(mx.bfloat16)
    _quantise(model, precision)
    parameters = sorted(tree_flatten(model.parameters()))
    layout = {name: _entry(value) for name, value in parameters}
    del model, parameters

    def made() -> Iterator[tuple[str, Array]]:
        for name in watched(layout, tell, path.name):
            yield name, _random(name, layout, size, precision, seed, pieces)

    safetensors.write(path, layout, made(), {"format": "mlx"})


def _quantise(model: Any, precision: str) -> None:
    import mlx.nn as nn

    nn.quantize(model, bits=BITS[precision], group_size=GROUP_SIZE[precision])


def _entry(value: Any) -> Tensor:
    return Tensor(_DTYPES[str(value.dtype).rpartition(".")[2]], tuple(value.shape))


def _random(
    name: str, layout: dict[str, Tensor], size: Size, precision: str, seed: int, pieces: int
) -> Array:
    entry = layout[name]
    if entry.dtype == "U32":
        numbers = generator(seed, name).integers(0, 2**32, entry.shape, np.uint32)
        return numbers
    module, _, kind = name.rpartition(".")
    if kind not in ("scales", "biases"):
        return to_bf16(np.ones(entry.shape, np.float32))  # a norm
    levels = 2 ** BITS[precision]
    # A number drawn from 0 … levels-1 has the standard deviation sqrt((levels² - 1) / 12).
    scale = _std(module, layout, size, precision) / float(np.sqrt((levels**2 - 1) / 12))
    values = np.full(entry.shape, scale, np.float32)
    if kind == "biases":
        values *= -(levels - 1) / 2
        if module == "text_emb":
            values[:, 0] += STEADY
        if module == "text_linear":
            values[PAD_ID, 0] += pad_weight()
    if module == "text_linear":
        values[pieces:] = 0.0
    return to_bf16(values)


def _std(module: str, layout: dict[str, Tensor], size: Size, precision: str) -> float:
    """Standard deviation of a module's weights, as in `weights_lm.scales`."""
    fan_in = layout[f"{module}.weight"].shape[1] * 32 // BITS[precision]
    depth = module.startswith("depformer.")
    if module == "text_emb" or module.startswith("audio_embs."):
        return 0.25
    if module.endswith(".emb"):
        return 0.5
    if depth and module.endswith(".linear_out") and ".gating." not in module:
        return AUDIO_LOGIT * float((2 * fan_in) ** -0.5)
    std = float(fan_in**-0.5)
    deep = float((2 * (size.depth_layers if depth else size.layers)) ** -0.5)
    if module.endswith(".out_proj"):
        return std * deep
    return 2 * std * deep if module.endswith(".gating.linear_out") else std
