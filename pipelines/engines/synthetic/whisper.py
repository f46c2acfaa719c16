"""Makes a Whisper with random weights, as the folder that faster-whisper loads.

Run by the interpreter of the engine environment ``whisper``, whose CTranslate2 writes the model
(no torch): ``python -m pipelines.engines.synthetic.whisper FOLDER SIZE``. The projection's rows of
every token that is no word are zero, so that it says words, and never stops by itself.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.engines.row import Maker
from pipelines.engines.synthetic.words import SYNTHETIC_KEY, byte_alphabet, word_tokens

_BYTES = 256
_FRAMES = 1500
_TIMESTAMPS = 1501
_MOST_TOKENS = 448


@dataclass(frozen=True, slots=True)
class Size:
    """Dimensions of one Whisper."""

    width: int
    """Width of the model."""
    encoder_layers: int
    """Number of layers over the audio."""
    decoder_layers: int
    """Number of layers over the text."""
    mels: int = 80
    """Number of bands of the spectrogram."""
    texts: int = 50257
    """Number of text tokens; fewer than Whisper's own make an English-only model."""
    languages: int = 99
    """Number of language tokens."""

    @property
    def heads(self) -> int:
        """Number of attention heads, of 64 each."""
        return max(1, self.width // 64)


SIZES: dict[str, Size] = {
    "micro": Size(64, 1, 1, texts=600, languages=0),
    "tiny": Size(384, 4, 4),
    "base": Size(512, 6, 6),
    "small": Size(768, 12, 12),
    "large-v3-turbo": Size(1280, 32, 4, mels=128, languages=100),
}
"""Name → dimensions; all but micro, which is for tests, are OpenAI's."""


def special_tokens(size: Size) -> list[str]:
    """The tokens after the text, in Whisper's order; the end of text comes first."""
    tasks = ["<|translate|>", "<|transcribe|>"] if size.languages else []
    languages = ["<|en|>", *(f"<|x{i}|>" for i in range(1, size.languages))]
    return [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(languages if size.languages else []),
        *tasks,
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    ]


def text_tokens(size: Size) -> list[str]:
    """Bytes, then words; CTranslate2 recognises multilingual ones by an empty token at the end."""
    last = [""] if size.languages else []
    return [*byte_alphabet(), *word_tokens(size.texts - _BYTES - len(last)), *last]


def tokenizer(size: Size) -> dict[str, Any]:
    """``tokenizer.json``, in the form of the tokenizers library."""
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    special = [
        {"id": size.texts + i, "content": token, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for i, token in enumerate(special_tokens(size))
    ]
    model = {"type": "BPE", "vocab": {t: i for i, t in enumerate(text_tokens(size))}, "merges": []}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {**level, "use_regex": True},
        "post_processor": None,
        "decoder": {**level, "use_regex": True},
        "model": model,
    }


def make(folder: Path, size: Size, seed: int = 0) -> None:
    """Writes model.bin (int8), config.json, vocabulary.json, tokenizer.json and the rest."""
    import numpy as np
    from ctranslate2 import specs

    rng = np.random.default_rng(seed)
    width = size.width

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape, np.float32) / np.float32(math.sqrt(shape[-1]))

    def linear(spec: Any, rows: int, columns: int) -> None:
        spec.weight, spec.bias = normal(rows, columns), np.zeros(rows, np.float32)

    def norm(spec: Any) -> None:
        spec.gamma, spec.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    def block(attention: Any, *rows: int) -> None:
        norm(attention.layer_norm)
        for part, count in zip(attention.linear, rows, strict=True):
            linear(part, count, width)

    def feed_forward(spec: Any) -> None:
        norm(spec.layer_norm)
        linear(spec.linear_0, 4 * width, width)
        linear(spec.linear_1, width, 4 * width)

    spec = specs.WhisperSpec(size.encoder_layers, size.heads, size.decoder_layers, size.heads)
    encoder, decoder = spec.encoder, spec.decoder
    for conv, channels in ((encoder.conv1, size.mels), (encoder.conv2, width)):
        conv.weight, conv.bias = normal(width, channels, 3), np.zeros(width, np.float32)
    encoder.position_encodings.encodings = normal(_FRAMES, width)
    decoder.position_encodings.encodings = normal(_MOST_TOKENS, width)
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    for layer in encoder.layer:
        block(layer.self_attention, 3 * width, width)
        feed_forward(layer.ffn)
    for layer in decoder.layer:
        block(layer.self_attention, 3 * width, width)
        block(layer.attention, width, 2 * width, width)
        feed_forward(layer.ffn)
    texts = text_tokens(size)
    vocabulary = [*texts, *special_tokens(size)]
    vocabulary += [f"<|{i * 0.02:.2f}|>" for i in range(_TIMESTAMPS if size.languages else 1)]
    decoder.embeddings.weight = normal(len(vocabulary), width)
    says = np.zeros((len(vocabulary), 1), np.float32)
    says[_BYTES : len(texts) - 1] = 1.0
    decoder.projection.weight = normal(len(vocabulary), width) * says
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.config.lang_ids = [len(texts) + 2 + i for i in range(size.languages)]
    spec.config.alignment_heads = [(size.decoder_layers - 1, 0)]
    spec.register_vocabulary(vocabulary)
    spec.validate()
    spec.optimize(quantization="int8")
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    extra = {"feature_size": size.mels, "sampling_rate": 16000, SYNTHETIC_KEY: True}
    for name, table in (
        ("tokenizer.json", tokenizer(size)),
        ("preprocessor_config.json", extra | {"hop_length": 160, "chunk_length": 30}),
    ):
        (folder / name).write_text(json.dumps(table), encoding="utf-8")


def _is_random(path: Path) -> bool:
    table = json.loads((path / "preprocessor_config.json").read_text(encoding="utf-8"))
    return bool(table.get(SYNTHETIC_KEY))


MAKER = Maker(
    "whisper",
    gb=dict(zip(SIZES, (0.01, 0.3, 0.5, 1.5, 5.0), strict=True)),
    is_random=_is_random,
    environment="whisper",
)


if __name__ == "__main__":
    make(Path(sys.argv[1]), SIZES[sys.argv[2]])
