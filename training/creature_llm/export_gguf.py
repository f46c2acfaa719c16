"""Writes the trained checkpoint as a GGUF (Q8_0 by default) that llama.cpp engines load.

The manifest is written beside it, so that sum and size are never typed by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFWriter

from training.creature_llm.chat import END, SPECIAL, TEMPLATE
from training.creature_llm.language import HERE
from training.creature_llm.model import Shape

MODEL = HERE.parents[1] / "pipelines" / "models" / "creature" / "creature-3m-q8_0.gguf"

TYPES = {"q8_0": GGMLQuantizationType.Q8_0, "f16": GGMLQuantizationType.F16}
# The scene of the fixtures' script: what the agent is told unless a preset says otherwise.
SCENE = (
    "The red block is on the table. The blue ball is under the chair. The green cup is on the"
    " shelf. The yellow book is on the sofa. The black key is next to the door."
)
MANIFEST = """\
# Written by training/creature_llm/export_gguf.py. What it is and can do: MODEL_CARD.md.
name = "creature-3m"
variant = "{kind}"
title = "Our own small language model (ships with duplex-lab)"
file = "{file}"
sha256 = "{sha256}"
bytes = {bytes}
licence = "Apache-2.0"
weights = "trained"
format = "gguf"
architecture = "llama"
quantisation = "{kind}"
parameters = {parameters}
context_length = {context}
system_prompt = "{scene}"
system_prompt_use = "facts only, plain sentences: The COLOUR OBJECT is PREPOSITION the PLACE."
stop = ["<|end|>"]

[sampling]
temperature = 0.0
max_tokens = 96
"""
FILE_TYPES = {"q8_0": gguf.LlamaFileType.MOSTLY_Q8_0, "f16": gguf.LlamaFileType.MOSTLY_F16}


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """From halves-paired rotary rows (ours) to neighbours-paired ones (llama.cpp's)."""
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, columns))


def add_metadata(writer: GGUFWriter, shape: Shape, kind: str) -> None:
    """Name and sizes."""
    writer.add_name("creature-3m")
    writer.add_license("Apache-2.0")
    writer.add_description("Household robot for duplex-lab, trained on template dialogues.")
    writer.add_vocab_size(shape.vocab)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.eps)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    writer.add_file_type(FILE_TYPES[kind])


def add_tokenizer(writer: GGUFWriter, path: Path) -> None:
    """Vocabulary, merges, special tokens and the chat template."""
    model = json.loads(path.read_text(encoding="utf-8"))["model"]
    tokens = [text for text, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in SPECIAL else normal for token in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in model["merges"]])
    end = model["vocab"][END]
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)
    writer.add_eot_token_id(end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def add_tensors(
    writer: GGUFWriter, state: dict[str, torch.Tensor], shape: Shape, kind: str
) -> None:
    """Weights under llama.cpp's names; matrices quantised, norms in full."""

    def add(name: str, weight: np.ndarray) -> None:
        dtype = TYPES[kind] if weight.ndim == 2 else GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(weight, dtype), raw_dtype=dtype)

    weights = {name: tensor.float().numpy() for name, tensor in state.items()}
    add("token_embd.weight", weights["embed.weight"])
    add("output_norm.weight", weights["norm"])
    for block in range(shape.layers):
        ours, theirs = f"blocks.{block}", f"blk.{block}"
        q, k, v = np.split(weights[f"{ours}.attn_qkv.weight"], 3)
        gate, up = np.split(weights[f"{ours}.ffn_gate_up.weight"], 2)
        add(f"{theirs}.attn_norm.weight", weights[f"{ours}.attn_norm"])
        add(f"{theirs}.attn_q.weight", permuted(q, shape.heads))
        add(f"{theirs}.attn_k.weight", permuted(k, shape.heads))
        add(f"{theirs}.attn_v.weight", v)
        add(f"{theirs}.attn_output.weight", weights[f"{ours}.attn_output.weight"])
        add(f"{theirs}.ffn_norm.weight", weights[f"{ours}.ffn_norm"])
        add(f"{theirs}.ffn_gate.weight", gate)
        add(f"{theirs}.ffn_up.weight", up)
        add(f"{theirs}.ffn_down.weight", weights[f"{ours}.ffn_down.weight"])


def write_manifest(path: Path, kind: str, shape: Shape, parameters: int) -> None:
    """manifest.toml beside the model."""
    data = path.read_bytes()
    text = MANIFEST.format(
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        kind=kind,
        parameters=parameters,
        context=shape.context,
        scene=SCENE,
    )
    (path.parent / "manifest.toml").write_text(text, encoding="utf-8")


def export(run: Path, out: Path, kind: str = "q8_0") -> None:
    """GGUF and manifest of a run's checkpoint."""
    checkpoint = torch.load(run / "checkpoint.pt", weights_only=True)
    shape = Shape(**checkpoint["shape"])
    out.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(str(out), "llama")
    add_metadata(writer, shape, kind)
    add_tokenizer(writer, run / "tokenizer.json")
    add_tensors(writer, checkpoint["model"], shape, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    parameters = sum(tensor.numel() for tensor in checkpoint["model"].values())
    write_manifest(out, kind, shape, parameters)
    print(f"{out}: {out.stat().st_size:,} bytes, step {checkpoint['step']}", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("build/creature/run"))
    parser.add_argument("--kind", choices=sorted(TYPES), default="q8_0")
    parser.add_argument("--out", type=Path, default=MODEL)
    args = parser.parse_args()
    export(args.run, args.out, args.kind)


if __name__ == "__main__":
    main()
