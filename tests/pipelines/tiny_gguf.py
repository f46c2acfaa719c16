"""Writes a llama with random weights as a GGUF file: enough to exercise the real loader."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

_ALIGNMENT = 32
_F32, _U32, _I32, _FLOAT, _STRING, _ARRAY = 0, 4, 5, 6, 8, 9
_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _entry(key: str, kind: int, value: Any) -> bytes:
    head = _text(key) + struct.pack("<I", kind)
    if kind == _STRING:
        return head + _text(value)
    if kind == _ARRAY:
        inner, items = value
        packed = b"".join(_text(v) if inner == _STRING else struct.pack("<i", v) for v in items)
        return head + struct.pack("<IQ", inner, len(items)) + packed
    return head + struct.pack("<f" if kind == _FLOAT else "<I", value)


def byte_alphabet() -> list[str]:
    """The 256 characters by which byte-level BPE writes bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(extra)) for b in range(256)]


def write_tiny_gguf(path: Path, *, width: int = 32, layers: int = 1, seed: int = 0) -> None:
    """Writes the file: a byte-level vocabulary, ``layers`` layers of ``width``."""
    tokens = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>", *byte_alphabet()]
    tokens.append("he")  # one merge: a BPE vocabulary without any is refused
    kinds = [3, 3, 3, 3] + [1] * (len(tokens) - 4)
    heads, hidden = 2, width * 2
    meta = [
        _entry("general.architecture", _STRING, "llama"),
        _entry("llama.context_length", _U32, 512),
        _entry("llama.embedding_length", _U32, width),
        _entry("llama.block_count", _U32, layers),
        _entry("llama.feed_forward_length", _U32, hidden),
        _entry("llama.attention.head_count", _U32, heads),
        _entry("llama.attention.layer_norm_rms_epsilon", _FLOAT, 1e-5),
        _entry("llama.rope.dimension_count", _U32, width // heads),
        _entry("tokenizer.ggml.model", _STRING, "gpt2"),
        _entry("tokenizer.ggml.pre", _STRING, "gpt-2"),
        _entry("tokenizer.ggml.tokens", _ARRAY, (_STRING, tokens)),
        _entry("tokenizer.ggml.token_type", _ARRAY, (_I32, kinds)),
        _entry("tokenizer.ggml.merges", _ARRAY, (_STRING, ["h e"])),
        _entry("tokenizer.ggml.bos_token_id", _U32, 0),
        _entry("tokenizer.ggml.eos_token_id", _U32, 0),
        _entry("tokenizer.chat_template", _STRING, _TEMPLATE),
    ]
    shapes = {"token_embd.weight": (len(tokens), width), "output_norm.weight": (width,)}
    for i in range(layers):
        shapes |= {f"blk.{i}.{n}.weight": (width,) for n in ("attn_norm", "ffn_norm")}
        attention = ("attn_q", "attn_k", "attn_v", "attn_output")
        shapes |= {f"blk.{i}.{n}.weight": (width, width) for n in attention}
        shapes |= {f"blk.{i}.{n}.weight": (hidden, width) for n in ("ffn_gate", "ffn_up")}
        shapes[f"blk.{i}.ffn_down.weight"] = (width, hidden)
    rng = np.random.default_rng(seed)
    infos, blobs, offset = b"", b"", 0
    for name, shape in shapes.items():
        weights = np.ones(shape) if len(shape) == 1 else rng.normal(0, 0.5, shape)
        data = weights.astype("<f4").tobytes()
        infos += _text(name) + struct.pack("<I", len(shape))
        infos += struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", _F32, offset)
        data += bytes(-len(data) % _ALIGNMENT)
        blobs += data
        offset += len(data)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(meta)) + b"".join(meta) + infos
    path.write_bytes(head + bytes(-len(head) % _ALIGNMENT) + blobs)
