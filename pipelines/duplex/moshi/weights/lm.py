"""Synthetic weights of the language model, as a torch checkpoint or quantised for moshi_mlx.

Values are normal, scaled so that activations keep their size through the layers. One thing is
arranged: the padding token is the likeliest, so that the text stream is as sparse as a real one's.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.cache import Tell
from pipelines.weights import safetensors
from pipelines.weights.safetensors import Tensor, to_bf16
from pipelines.weights.sizes import AUDIO_CARD, PAD_ID, Size

F32 = npt.NDArray[np.float32]
STEADY_DIMS = 32
"""First dimensions of the residual stream, to which every text token adds the same (one group of
q4), so that the head can distinguish the padding token."""
STEADY = 1.0
PAD_LOGIT = 7.0
"""Logit of the padding token, about; the others' are N(0, 1), of which the 25 highest compete."""
AUDIO_LOGIT = 2.0
"""Standard deviation of the audio tokens' logits: with top-k 250 at 0.8, many tokens are likely."""


def generator(seed: int, name: str) -> np.random.Generator:
    """A tensor's own stream of numbers: it does not depend on the tensors made before it."""
    return np.random.Generator(np.random.SFC64([seed, zlib.crc32(name.encode())]))


def scales(size: Size) -> dict[str, tuple[tuple[int, ...], float]]:
    """Tensor → shape and standard deviation (0: all ones), under torch's legacy names."""
    d, e, n = size.dim, size.depth_dim, size.text_card
    hidden, depth_hidden = 11 * d // 4, 11 * e // 4
    deep, depth_deep = (2 * size.layers) ** -0.5, (2 * size.depth_layers) ** -0.5
    card = AUDIO_CARD
    table: dict[str, tuple[tuple[int, ...], float]] = {"text_emb.weight": ((n + 1, d), 0.25)}
    table |= {f"emb.{i}.weight": ((card + 1, d), 0.25) for i in range(16)}
    for i in range(size.layers):
        layer = f"transformer.layers.{i}"
        table |= {
            f"{layer}.norm1.alpha": ((1, 1, d), 0.0),
            f"{layer}.self_attn.in_proj_weight": ((3 * d, d), d**-0.5),
            f"{layer}.self_attn.out_proj.weight": ((d, d), deep * d**-0.5),
            f"{layer}.norm2.alpha": ((1, 1, d), 0.0),
            f"{layer}.gating.linear_in.weight": ((2 * hidden, d), d**-0.5),
            f"{layer}.gating.linear_out.weight": ((d, hidden), deep * 2 * hidden**-0.5),
        }
    table |= {
        "out_norm.alpha": ((1, 1, d), 0.0),
        "text_linear.weight": ((n, d), d**-0.5),
        "depformer_text_emb.weight": ((n + 1, e), 0.5),
    }
    table |= {f"depformer_emb.{i}.weight": ((card + 1, e), 0.5) for i in range(7)}
    table |= {f"depformer_in.{i}.weight": ((e, d), d**-0.5) for i in range(8)}
    for i in range(size.depth_layers):
        layer = f"depformer.layers.{i}"
        table |= {
            f"{layer}.norm1.alpha": ((1, 1, e), 0.0),
            # One matrix per codebook, stacked.
            f"{layer}.self_attn.in_proj_weight": ((8 * 3 * e, e), e**-0.5),
            f"{layer}.self_attn.out_proj.weight": ((8 * e, e), depth_deep * e**-0.5),
            f"{layer}.norm2.alpha": ((1, 1, e), 0.0),
        }
        for step in range(8):
            gating = f"{layer}.gating.{step}"
            table[f"{gating}.linear_in.weight"] = ((2 * depth_hidden, e), e**-0.5)
            std = depth_deep * 2 * depth_hidden**-0.5
            table[f"{gating}.linear_out.weight"] = ((e, depth_hidden), std)
    # The depth transformer ends in no norm: its output's size is about sqrt(2).
    table |= {f"linears.{i}.weight": ((card, e), AUDIO_LOGIT * (2 * e) ** -0.5) for i in range(8)}
    return table


def tensor(size: Size, name: str, seed: int, pieces: int) -> F32:
    """One tensor of the bf16 checkpoint.

    Args:
        size: Size of the model.
        name: A key of `scales`.
        seed: Seed of all tensors.
        pieces: Number of text tokens with a text; the others are never said.
    """
    shape, std = scales(size)[name]
    if not std:
        return np.ones(shape, np.float32)
    values = generator(seed, name).standard_normal(shape, np.float32)
    values *= std
    if name == "text_emb.weight":
        values[:, :STEADY_DIMS] += STEADY
    if name == "text_linear.weight":
        values[PAD_ID, :STEADY_DIMS] += pad_weight()
        values[pieces:] = 0.0
    return values


def pad_weight() -> float:
    """The vector that is added to the padding token's head, for a logit of about `PAD_LOGIT`."""
    return PAD_LOGIT / (STEADY_DIMS * STEADY * 0.8)


def write_bf16(path: Path, size: Size, seed: int, pieces: int, tell: Tell) -> None:
    """Writes the torch checkpoint; a few tensors are in memory at a time."""
    table = scales(size)
    layout = {name: Tensor("BF16", shape) for name, (shape, _) in table.items()}

    def made() -> Iterator[tuple[str, npt.NDArray[Any]]]:
        for name in watched(layout, tell, path.name):
            yield name, to_bf16(tensor(size, name, seed, pieces))

    safetensors.write(path, layout, made(), {"format": "pt"})


def watched(layout: dict[str, Tensor], tell: Tell, what: str) -> Iterator[str]:
    """The layout's names; reports the progress at every tenth of the bytes."""
    total = sum(t.nbytes for t in layout.values())
    done, told = 0, 0
    for name, entry in layout.items():
        yield name
        done += entry.nbytes
        if done * 10 // total > told and total > 1e9:
            told = done * 10 // total
            tell(f"{what}: {10 * told} % of {total / 1e9:.1f} GB")
