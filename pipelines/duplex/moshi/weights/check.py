"""Checks a model's files against its config.json before a library loads them: headers only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.weights.error import WeightsError
from pipelines.weights.safetensors import Tensor, read_header
from pipelines.weights.sizes import BITS

_NEEDED = (
    "dim", "num_heads", "num_layers", "text_card", "card", "n_q", "dep_q", "delays", "context",
    "depformer_dim", "depformer_num_heads", "depformer_num_layers",
)  # fmt: skip
_MEND = "these are another model's weights or a damaged file: fetch or make them again"


def check_config(config: dict[str, Any], path: Path) -> None:
    """Raises a WeightsError unless the numbers that define a model are present."""
    for name in _NEEDED:
        if name not in config:
            raise WeightsError(f"{path} lacks {name!r}: restore it, or fetch it with the weights")
    wrong = [n for n in _NEEDED if n != "delays" and not _is_positive(config[n])]
    if not isinstance(config["delays"], list) or len(config["delays"]) != config["n_q"] + 1:
        wrong.append("delays")
    if wrong:
        raise WeightsError(
            f"{path}: {wrong[0]} = {config[wrong[0]]!r} makes no model: restore it, or fetch it "
            "with the weights"
        )


def check_lm(path: Path, config: dict[str, Any], precision: str) -> bool:
    """Checks the language model's file.

    Returns:
        Whether it is a torch checkpoint (else it has moshi_mlx's names).

    Raises:
        WeightsError: it is damaged, another model's, or of another precision.
    """
    found = read_header(path)
    torch = "out_norm.alpha" in found
    if torch and precision in BITS:
        raise WeightsError(
            f"{path} is a torch checkpoint, not weights in {precision}: choose precision bf16, "
            f"or a file made for moshi_mlx in {precision}"
        )
    d, e = int(config["dim"]), int(config["depformer_dim"])
    texts, card = int(config["text_card"]), int(config["card"])
    wanted = {"text_emb.weight": (texts + 1, d), "text_linear.weight": (texts, d)}
    emb, proj = ("emb", "in_proj_weight") if torch else ("audio_embs", "in_proj.weight")
    head = "linears.{}.weight" if torch else "depformer.slices.{}.linear_out.weight"
    wanted |= {f"{emb}.{i}.weight": (card + 1, d) for i in range(int(config["n_q"]))}
    wanted |= {
        f"transformer.layers.{i}.self_attn.{proj}": (3 * d, d)
        for i in range(int(config["num_layers"]))
    }
    wanted |= {head.format(i): (card, e) for i in range(int(config["dep_q"]))}
    for name, (rows, columns) in wanted.items():
        width = columns * BITS[precision] // 32 if precision in BITS else columns
        _check(found, name, (rows, width), path)
    return torch


def check_mimi(path: Path) -> None:
    """Checks the codec's file.

    Raises:
        WeightsError: it is damaged, or not Mimi.
    """
    found = read_header(path)
    _check(found, "encoder.model.0.conv.conv.weight", (64, 1, 7), path)
    _check(found, "decoder.model.14.conv.conv.weight", (1, 64, 3), path)
    for room, layers in (("rvq_first", 1), ("rvq_rest", 7)):
        for i in range(layers):
            name = f"quantizer.{room}.vq.layers.{i}._codebook.embedding_sum"
            _check(found, name, (2048, 256), path)
    for side in ("encoder", "decoder"):
        for i in range(8):
            layer = f"{side}_transformer.transformer.layers.{i}.self_attn"
            _check(found, f"{layer}.in_proj_weight", (1536, 512), path)


def tensor_bytes(path: Path) -> int:
    """Bytes of all tensors of a file."""
    return sum(tensor.nbytes for tensor in read_header(path).values())


def _check(found: dict[str, Tensor], name: str, shape: tuple[int, ...], path: Path) -> None:
    if name not in found:
        raise WeightsError(f"{path} has no tensor {name}: {_MEND}")
    if found[name].shape != shape:
        has = "x".join(map(str, found[name].shape))
        raise WeightsError(
            f"{path}: the tensor {name} is {has}, and config.json asks for "
            f"{'x'.join(map(str, shape))}: {_MEND}"
        )


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
