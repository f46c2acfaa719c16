"""The sizes of synthetic weights, and the ``config.json`` of each.

The format is that of Kyutai's torch checkpoints (`moshi.models.loaders._lm_kwargs`), which moshi
and moshi_mlx (`LmConfig.from_config_dict`) both read; ``7b`` has Moshi's own numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FORMAT = 3
"""Version of the folders made here: a change of their contents gets a new number, and new
folders."""

CONFIG_NAME = "config.json"
MIMI_NAME = "tokenizer-e351c8d8-checkpoint125.safetensors"
TOKENIZER_NAME = "tokenizer_spm_32k_3.model"
MANIFEST_NAME = "manifest.json"
LM_NAMES = {
    "f32": "model.safetensors",
    "bf16": "model.safetensors",
    "q8": "model.q8.safetensors",
    "q4": "model.q4.safetensors",
}
"""Precision → the language model's file, as Kyutai names them; f32 is computed from bf16."""
GROUP_SIZE = {"q4": 32, "q8": 64}
"""Number of weights that share a scale in moshi_mlx's quantised files."""
BITS = {"q4": 4, "q8": 8}

AUDIO_CARD = 2048
PAD_ID = 3
"""Text token of silence."""
EPAD_ID = 0
"""The text token before a word."""


@dataclass(frozen=True, slots=True)
class Size:
    """One size of the language model. The codec always has its full size."""

    name: str
    """Name in the preset's model id, after ``moshi-``."""
    dim: int
    """Width of the temporal transformer; a multiple of 256, so that q8 divides."""
    heads: int
    layers: int
    depth_dim: int
    """Width of the depth transformer."""
    depth_heads: int
    depth_layers: int
    text_card: int
    """Number of text tokens; those beyond the trained vocabulary are unused."""
    precisions: tuple[str, ...] = ("f32", "bf16", "q8", "q4")
    """Precisions in which it can be made."""

    @property
    def temporal_parameters(self) -> int:
        """Parameters of the temporal transformer's layers: 4 d² attention + 3 x 2.75 d² gated MLP
        each.
        """
        return self.layers * (4 * self.dim**2 + 33 * self.dim**2 // 4)

    @property
    def depth_parameters(self) -> int:
        """Parameters of the depth transformer's layers, whose matrices exist once per codebook."""
        return 8 * self.depth_layers * (4 * self.depth_dim**2 + 33 * self.depth_dim**2 // 4)

    @property
    def parameters(self) -> int:
        """Parameters of the whole language model, with its embeddings and heads; without norms."""
        tokens = (2 * self.text_card + 1) * self.dim + 16 * (AUDIO_CARD + 1) * self.dim
        depth = self.text_card + 1 + 7 * (AUDIO_CARD + 1) + 8 * AUDIO_CARD + 8 * self.dim
        total = self.temporal_parameters + self.depth_parameters
        return total + tokens + depth * self.depth_dim


SIZES: dict[str, Size] = {
    s.name: s
    for s in (
        Size("tiny", 512, 8, 4, 256, 4, 1, 2000),
        Size("100m", 1024, 16, 8, 256, 4, 2, 2000),
        Size("300m", 1536, 24, 10, 512, 8, 2, 2000),
        Size("1b", 2048, 16, 20, 512, 8, 2, 32000),
        # Its bf16 file has 15 GB; q4 is made directly in quantised form.
        Size("7b", 4096, 32, 32, 1024, 16, 6, 32000, ("q4",)),
    )
}


def config(size: Size) -> dict[str, Any]:
    """The ``config.json`` of a size."""
    return {
        "dim": size.dim,
        "text_card": size.text_card,
        "existing_text_padding_id": PAD_ID,
        "n_q": 16,
        "dep_q": 8,
        "card": AUDIO_CARD,
        "num_heads": size.heads,
        "num_layers": size.layers,
        "hidden_scale": 4.125,
        "causal": True,
        "layer_scale": None,
        "context": 3000,
        "max_period": 10000,
        "gating": "silu",
        "norm": "rms_norm_f32",
        "positional_embedding": "rope",
        "depformer_dim": size.depth_dim,
        "depformer_dim_feedforward": 33 * size.depth_dim // 8,
        "depformer_num_heads": size.depth_heads,
        "depformer_num_layers": size.depth_layers,
        "depformer_layer_scale": None,
        "depformer_multi_linear": True,
        "depformer_context": 8,
        "depformer_max_period": 10000,
        "depformer_gating": "silu",
        "depformer_pos_emb": "none",
        "depformer_weights_per_step": True,
        "delays": [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1],
        "moshi_name": LM_NAMES[size.precisions[0]],
        "mimi_name": MIMI_NAME,
        "tokenizer_name": TOKENIZER_NAME,
    }


def lm_bytes(parameters: float, precision: str) -> float:
    """Bytes of the language model's file: a quantised group also has a bf16 scale and bias."""
    if precision in BITS:
        return parameters * (BITS[precision] / 8 + 4 / GROUP_SIZE[precision])
    return parameters * 2.0


MIMI_BYTES = 385_000_000
"""Bytes of the codec's file: 96 M parameters in f32."""
