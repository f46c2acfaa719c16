"""The tensors of a language model of Moshi's shape, from torch's checkpoints or moshi_mlx's files.

Asked for by moshi_mlx's names, which give each codebook's slice of the depth transformer names of
its own. Torch's checkpoints stack some of them, and have two ways to name attention.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.duplex.moshi.onnx.graphs.quantised import GROUP, Quantised, of_mlx, quantise
from pipelines.weights.error import WeightsError
from pipelines.weights.safetensors import Reader
from pipelines.weights.sizes import BITS

F32 = npt.NDArray[np.float32]
Matrix = F32 | Quantised
"""(out, in)"""


@dataclass(frozen=True, slots=True)
class LmShape:
    """The numbers of ``config.json`` that the graphs follow from."""

    dim: int
    heads: int
    layers: int
    text_card: int
    """Number of text tokens; the next one begins a conversation."""
    card: int
    """Number of entries of a codebook; the next one begins a conversation."""
    codebooks: int
    """Streams of codes: the model's own, then the user's."""
    own: int
    """Codebooks of the model's own speech, which the depth transformer says; 0: it only writes."""
    delays: tuple[int, ...]
    """Delay of the text and of each stream of codes, in steps."""
    context: int
    """Steps of a conversation."""
    window: int
    """Steps that a step sees; fewer than the context in a model that only listens."""
    max_period: float
    depth_dim: int
    depth_heads: int
    depth_layers: int
    slices: tuple[int, ...]
    """Codebook → the slice of the depth transformer that says it."""

    @property
    def first_tokens(self) -> list[int]:
        """The text's and the codebooks' tokens before a conversation's first step."""
        return [self.text_card, *[self.card] * self.codebooks]


_WANTED = {
    "gating": "silu", "norm": "rms_norm_f32", "positional_embedding": "rope",
    "depformer_pos_emb": "none", "depformer_gating": "silu", "depformer_multi_linear": True,
    "depformer_weights_per_step": True, "layer_scale": None, "depformer_layer_scale": None,
    "cross_attention": False, "kv_repeat": 1, "conditioners": None, "fuser": None,
    "demux_second_text_stream": False, "depformer_low_rank_embeddings": None, "norm_emb": False,
    "bias_proj": False, "depformer_norm": None, "text_card_out": None,
}  # fmt: skip
"""Settings that these graphs know, each in one way alone. A missing one has Moshi's value."""


LISTENED = 4
"""A recogniser's conversation in contexts: 4 minutes of Kyutai's."""


def lm_shape(config: dict[str, Any], where: str) -> LmShape:
    """Reads the shape from a checked config.json.

    Raises:
        WeightsError: it describes a model of another kind.
    """
    for name, wanted in _WANTED.items():
        if (given := config.get(name, wanted)) != wanted and given:
            raise WeightsError(
                f"{where}: {name} = {given!r} is not for backend 'onnx', which knows "
                f"{wanted!r} alone: use backend = 'torch'"
            )
    own = int(config["dep_q"])
    context = int(config["context"])
    schedule = config.get("depformer_weights_per_step_schedule") or range(own)
    return LmShape(
        dim=int(config["dim"]),
        heads=int(config["num_heads"]),
        layers=int(config["num_layers"]),
        text_card=int(config["text_card"]),
        card=int(config["card"]),
        codebooks=int(config["n_q"]),
        own=own,
        delays=tuple(int(delay) for delay in config["delays"]),
        context=context if own else LISTENED * context,
        window=context,
        max_period=float(config.get("max_period", 10_000)),
        depth_dim=int(config.get("depformer_dim", 0)),
        depth_heads=int(config.get("depformer_num_heads", 0)),
        depth_layers=int(config.get("depformer_num_layers", 0)),
        slices=tuple(int(index) for index in schedule),
    )


class LmCheckpoint:
    """A file's tensors, as matrices in the wanted precision and as plain values."""

    def __init__(self, reader: Reader, shape: LmShape, precision: str) -> None:
        """Reads nothing yet.

        Args:
            reader: The file.
            shape: Of the model.
            precision: ``f32``; ``q8`` or ``q4``: a quantised file's own levels, or rounded here.
        """
        self._reader, self.shape = reader, shape
        self._bits = BITS.get(precision)
        self._is_torch = "out_norm.alpha" in reader

    @property
    def is_exact(self) -> bool:
        """True if matrices are asked for as they are, in f32."""
        return self._bits is None

    def matrix(self, name: str, out: int, width: int) -> Matrix:
        """A matrix (out, width) for products.

        Raises:
            WeightsError: it is missing, or has another shape.
        """
        kept = self._kept(name, out, width)
        if self._bits is None:
            return kept.dense() if isinstance(kept, Quantised) else kept
        if isinstance(kept, Quantised) or width % GROUP:  # too small to be cut into groups
            return kept
        return quantise(kept, self._bits)

    def table(self, name: str, rows: int, width: int) -> F32:
        """A table of embeddings (rows, width).

        Raises:
            WeightsError: as `matrix`.
        """
        kept = self._kept(name, rows, width)
        return kept.dense() if isinstance(kept, Quantised) else kept

    def hidden(self, name: str) -> int:
        """Half of the rows of the matrix of that name, of a gated MLP.

        Raises:
            WeightsError: it is missing.
        """
        if self._is_torch:
            name = re.sub(
                r"^depformer\.slices\.(\d+)\.transformer\.(.*\.gating)", r"depformer.\2.\1", name
            )
        if f"{name}.weight" not in self._reader:
            self._reader.raw(f"{name}.weight")  # which says so
        return self._reader.header[f"{name}.weight"].shape[0] // 2

    def norm(self, name: str, width: int) -> F32:
        """The weights of a norm (width,).

        Raises:
            WeightsError: as `matrix`.
        """
        if not self._is_torch:
            return self._reader(f"{name}.weight", width)
        torch = re.sub(r"^depformer\.slices\.\d+\.transformer", "depformer", name)
        return self._reader(f"{torch}.alpha", 1, 1, width).reshape(width)

    def _kept(self, name: str, out: int, width: int) -> Matrix:
        if self._is_torch:
            return self._of_torch(name, out, width)
        if f"{name}.scales" not in self._reader:
            return self._reader(f"{name}.weight", out, width)
        words = self._reader.raw(f"{name}.weight")
        bits = 32 * words.shape[-1] // width if words.ndim == 2 else 0
        if words.dtype != np.uint32 or bits not in (4, 8) or len(words) != out:
            raise WeightsError(
                f"{self._reader.path}: the tensor {name}.weight is "
                f"{'x'.join(map(str, words.shape))}, which is no matrix {out}x{width} of 4 or 8 "
                "bits: these are another model's weights or a damaged file: fetch or make them "
                "again"
            )
        groups = self._reader.header[f"{name}.scales"].shape[-1]
        scales, biases = (
            self._reader(f"{name}.{part}", out, groups) for part in ("scales", "biases")
        )
        return of_mlx(words, scales, biases, bits)

    def _of_torch(self, name: str, out: int, width: int) -> F32:
        found = re.match(r"depformer\.slices\.(\d+)\.(.*)", name)
        if found is None:
            return self._attention(name.replace("audio_embs.", "emb."), out, width)
        index, part = int(found[1]), found[2]
        alone = {
            "emb": f"depformer_emb.{index - 1}" if index else "depformer_text_emb",
            "linear_in": f"depformer_in.{index}",
            "linear_out": f"linears.{index}",
        }
        if part in alone:
            return self._reader(f"{alone[part]}.weight", out, width)
        part = part.replace("transformer.", "depformer.").replace(".gating.", f".gating.{index}.")
        return self._attention(part, out, width, index)

    def _attention(self, name: str, out: int, width: int, index: int | None = None) -> F32:
        """A matrix that may be one of several, stacked or with names of their own."""
        old = name.replace("in_proj", "in_proj_weight") if name.endswith("in_proj") else ""
        old = old or f"{name}.weight"
        new = f"{name}s.{index or 0}.weight"
        if ".self_attn." not in name:
            return self._reader(f"{name}.weight", out, width)
        if new in self._reader:
            return self._reader(new, out, width)
        if index is None:
            return self._reader(old, out, width)
        count = max(self.shape.slices) + 1
        return self._reader(old, count * out, width)[index * out : (index + 1) * out]
