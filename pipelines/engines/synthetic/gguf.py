"""Makes a llama with random weights as a GGUF file, by the standard library and numpy.

A file is ``GGUF``, a version, the numbers of tensors and of facts; then the facts, the tensors'
names, shapes and places, and the tensors. The output's rows of every token that is no word are
zero: the most likely token is a word always, and the end never comes (a forced length).
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.engines.row import Maker
from pipelines.engines.synthetic.words import SYNTHETIC_KEY, byte_alphabet, word_tokens
from pipelines.weights.gguf import read_facts

if TYPE_CHECKING:
    import numpy as np

_ALIGNMENT = 32
_BLOCK = 32  # Q8_0: an f16 scale, then 32 int8
_F32, _Q8_0 = 0, 8  # types of tensors
_U32, _I32, _FLOAT, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9  # types of facts
_SPECIALS = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Size:
    """Dimensions of one llama."""

    width: int
    """Width of the model."""
    layers: int
    """Number of layers."""
    hidden: int
    """Width of the feed-forward layers."""
    heads: int
    """Number of query heads."""
    kv_heads: int
    """Number of key and value heads."""
    vocabulary: int
    """Number of tokens."""
    context: int = 4096
    """Most tokens of prompt and answer."""
    quantised: bool = True
    """Q8_0, or f32 where the width is no multiple of 32."""


SIZES: dict[str, Size] = {
    "micro": Size(32, 1, 64, 2, 2, 320, context=512, quantised=False),
    "0.5b": Size(896, 24, 4864, 14, 2, 151_936),
    "1b": Size(2048, 16, 8192, 32, 8, 128_256),
    "3b": Size(3072, 28, 8192, 24, 8, 128_256),
}
"""Name → dimensions; micro is for tests, 0.5b has Qwen2.5's, 1b and 3b have Llama 3.2's."""


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _fact(key: str, kind: int, value: Any) -> bytes:
    head = _text(key) + struct.pack("<I", kind)
    if kind == _STRING:
        return head + _text(value)
    if kind == _BOOL:
        return head + struct.pack("<?", value)
    if kind == _ARRAY:
        inner, items = value
        packed = b"".join(_text(v) if inner == _STRING else struct.pack("<i", v) for v in items)
        return head + struct.pack("<IQ", inner, len(items)) + packed
    return head + struct.pack("<f" if kind == _FLOAT else "<I", value)


def _facts(size: Size) -> list[bytes]:
    tokens = [*_SPECIALS, *byte_alphabet(), "he"]  # a vocabulary without any merge is refused
    kinds = [3] * len(_SPECIALS) + [1] * (size.vocabulary - len(_SPECIALS))
    words = word_tokens(size.vocabulary - len(tokens))
    tokens += [w + "," if i % 16 == 7 else w + "." if i % 16 == 15 else w
               for i, w in enumerate(words)]  # fmt: skip
    return [
        _fact("general.architecture", _STRING, "llama"),
        _fact("general.name", _STRING, "random weights"),
        _fact(SYNTHETIC_KEY, _BOOL, True),
        _fact("llama.context_length", _U32, size.context),
        _fact("llama.embedding_length", _U32, size.width),
        _fact("llama.block_count", _U32, size.layers),
        _fact("llama.feed_forward_length", _U32, size.hidden),
        _fact("llama.attention.head_count", _U32, size.heads),
        _fact("llama.attention.head_count_kv", _U32, size.kv_heads),
        _fact("llama.attention.layer_norm_rms_epsilon", _FLOAT, 1e-5),
        _fact("llama.rope.dimension_count", _U32, size.width // size.heads),
        _fact("tokenizer.ggml.model", _STRING, "gpt2"),
        _fact("tokenizer.ggml.pre", _STRING, "gpt-2"),
        _fact("tokenizer.ggml.tokens", _ARRAY, (_STRING, tokens)),
        _fact("tokenizer.ggml.token_type", _ARRAY, (_I32, kinds)),
        _fact("tokenizer.ggml.merges", _ARRAY, (_STRING, ["h e"])),
        _fact("tokenizer.ggml.bos_token_id", _U32, 0),
        _fact("tokenizer.ggml.eos_token_id", _U32, 0),
        _fact("tokenizer.ggml.add_bos_token", _BOOL, False),
        _fact("tokenizer.chat_template", _STRING, _TEMPLATE),
    ]


def _shapes(size: Size) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes (rows, columns), in the order of the file."""
    width, hidden = size.width, size.hidden
    keys = width // size.heads * size.kv_heads
    yield "token_embd.weight", (size.vocabulary, width)
    yield "output_norm.weight", (width,)
    yield "output.weight", (size.vocabulary, width)
    for i in range(size.layers):
        for name in ("attn_norm", "ffn_norm"):
            yield f"blk.{i}.{name}.weight", (width,)
        for name, rows in (("q", width), ("k", keys), ("v", keys), ("output", width)):
            yield f"blk.{i}.attn_{name}.weight", (rows, width)
        for name in ("gate", "up"):
            yield f"blk.{i}.ffn_{name}.weight", (hidden, width)
        yield f"blk.{i}.ffn_down.weight", (width, hidden)


def _quantised(size: Size, shape: tuple[int, ...]) -> bool:
    return size.quantised and len(shape) == 2


def _bytes(size: Size, shape: tuple[int, ...]) -> int:
    count = math.prod(shape)
    return count // _BLOCK * (_BLOCK + 2) if _quantised(size, shape) else count * 4


def _tensor(size: Size, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> bytes:
    import numpy as np

    if len(shape) == 1:
        return np.ones(shape, "<f4").tobytes()
    silent = len(_SPECIALS) + 256 + 1 if name == "output.weight" else 0
    scale = 1.0 if name == "token_embd.weight" else shape[1] ** -0.5
    if not _quantised(size, shape):
        weights = rng.standard_normal(shape, np.float32) * np.float32(scale)
        weights[:silent] = 0
        return weights.astype("<f4").tobytes()
    blocks = np.empty((shape[0], shape[1] // _BLOCK), [("d", "<f2"), ("q", "i1", _BLOCK)])
    blocks["d"] = scale / 73  # the standard deviation of evenly spread int8
    blocks["q"] = rng.integers(-127, 128, (*blocks.shape, _BLOCK), np.int8)
    blocks["q"][:silent] = 0
    return blocks.tobytes()


def write_gguf(path: Path, size: Size, seed: int = 0) -> None:
    """Writes the file tensor by tensor."""
    import numpy as np

    rng = np.random.default_rng(seed)
    facts, shapes = _facts(size), list(_shapes(size))
    infos, offset = b"", 0
    for name, shape in shapes:
        infos += _text(name) + struct.pack("<I", len(shape))
        infos += struct.pack(f"<{len(shape)}Q", *reversed(shape))
        infos += struct.pack("<IQ", _Q8_0 if _quantised(size, shape) else _F32, offset)
        offset += -(-_bytes(size, shape) // _ALIGNMENT) * _ALIGNMENT
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(facts)) + b"".join(facts) + infos
    with path.open("wb") as file:
        file.write(head + bytes(-len(head) % _ALIGNMENT))
        for name, shape in shapes:
            data = _tensor(size, name, shape, rng)
            file.write(data + bytes(-len(data) % _ALIGNMENT))
        file.flush()
        os.fsync(file.fileno())


MAKER = Maker(
    "llama",
    gb=dict(zip(SIZES, (0.01, 0.7, 1.6, 3.9), strict=True)),
    is_random=lambda path: bool(read_facts(path).get(SYNTHETIC_KEY)),
    main="model.gguf",
    make=lambda folder, size: write_gguf(folder / "model.gguf", SIZES[size]),
)
