"""Synthetic weights of Mimi, the codec: full size, so that it costs what the real one costs.

One file serves rustymimi, moshi (torch) and moshi_mlx: attention has the legacy key names. The
codebooks are filled with what real audio gives at their place, so that codes vary with it.
"""

from __future__ import annotations

import wave
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipelines.duplex.moshi.weights.lm import F32, generator
from pipelines.duplex.moshi.weights.mimi_layers import (
    DIM,
    Drawing,
    draw_decoder,
    draw_encoder,
    encode,
)
from pipelines.weights import safetensors
from pipelines.weights.safetensors import Tensor
from pipelines.weights.sizes import AUDIO_CARD

RATE_HZ = 24_000
FRAME_SAMPLES = 1920
CALIBRATION_S = 16
"""Audio that the codebooks are made of: 200 frames."""
_DECODED_FRAMES = 50
_CODE_DIM = 256
_CODEBOOKS = {"rvq_first": 1, "rvq_rest": 31}
_LEVEL = 0.05
"""Standard deviation of the decoder's output, about -26 dBFS."""
_STRENGTH = np.float32(0.3)
"""Largest share of a residual that a codebook removes."""


def read_audio(paths: Sequence[Path], most_s: float) -> F32:
    """WAV files one after the other at 24 kHz: (samples,) in ±1, whole frames."""
    pieces: list[F32] = []
    held = 0
    for path in paths:
        with wave.open(str(path), "rb") as file:
            rate, channels = file.getframerate(), file.getnchannels()
            assert file.getsampwidth() == 2, path
            data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        pcm = data.reshape(-1, channels).mean(axis=1) / 32768
        at = np.arange(int(len(pcm) * RATE_HZ / rate)) * (rate / RATE_HZ)
        pieces.append(np.interp(at, np.arange(len(pcm)), pcm).astype(np.float32))
        held += len(pieces[-1])
        if held >= most_s * RATE_HZ:
            break
    pcm = np.concatenate(pieces)[: int(most_s * RATE_HZ)]
    return pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES].astype(np.float32)


def make(pcm: F32, seed: int) -> dict[str, F32]:
    """Draws all tensors; ``pcm`` (samples,) is the audio to calibrate on."""
    drawing = Drawing(seed)
    latent = draw_encoder(drawing, pcm[None])  # (512, frames)
    quantised = np.zeros_like(latent)
    for name, levels in _CODEBOOKS.items():
        quantised += _draw_quantiser(drawing, f"quantizer.{name}", latent, levels)
    draw_decoder(drawing, quantised[:, :_DECODED_FRAMES], _LEVEL)
    return drawing.tensors


def write(path: Path, tensors: dict[str, F32]) -> None:
    """Writes the checkpoint."""
    ordered = dict(sorted(tensors.items()))
    layout = {name: Tensor("F32", value.shape) for name, value in ordered.items()}
    safetensors.write(path, layout, iter(ordered.items()), {"format": "pt"})


def distinct_codes(tensors: Mapping[str, F32], pcm: F32) -> tuple[int, int]:
    """Encodes ``pcm`` (samples,), without the encoder's transformer, which adds a hundredth.

    Returns:
        Number of different (codebook, code) pairs among the 8 codebooks, and of frames.
    """
    latent = encode(tensors, pcm[None])
    seen: set[tuple[str, int, int]] = set()
    for room, levels in (("quantizer.rvq_first", 1), ("quantizer.rvq_rest", 7)):
        left = (tensors[f"{room}.input_proj.weight"][:, :, 0] @ latent).T
        for level in range(levels):
            book = tensors[f"{room}.vq.layers.{level}._codebook.embedding_sum"]
            codes = ((book**2).sum(axis=1) / 2 - left @ book.T).argmin(axis=1)
            left = left - book[codes]
            seen |= {(room, level, int(code)) for code in codes}
    return len(seen), latent.shape[1]


def _draw_quantiser(drawing: Drawing, name: str, latent: F32, levels: int) -> F32:
    """Draws one residual quantiser on ``latent`` (512, frames); returns its reconstruction."""
    rng = generator(drawing.seed, name)
    down = rng.standard_normal((_CODE_DIM, DIM), np.float32) * np.float32(DIM**-0.5)
    drawing.tensors[f"{name}.input_proj.weight"] = down[:, :, None]
    up = np.ascontiguousarray(down.T) * np.float32(0.5)
    drawing.tensors[f"{name}.output_proj.weight"] = up[:, :, None]
    residual = (down @ latent).T  # (frames, 256)
    total = np.zeros_like(residual)
    for level in range(levels):
        # Points between two frames of the audio, drawn towards zero: else they would be so near the
        # frames they are made of that nothing remained for the later codebooks.
        pairs = rng.integers(0, len(residual), (2, AUDIO_CARD))
        share = rng.random((AUDIO_CARD, 1), np.float32)
        book = residual[pairs[0]] * share + residual[pairs[1]] * (1 - share)
        book *= _STRENGTH
        distance = (book**2).sum(axis=1) / 2 - residual @ book.T
        chosen = book[distance.argmin(axis=1)]
        residual = residual - chosen
        total += chosen
        codebook = f"{name}.vq.layers.{level}._codebook"
        drawing.tensors[f"{codebook}._initialized"] = np.ones(1, np.float32)
        drawing.tensors[f"{codebook}.cluster_usage"] = np.ones(AUDIO_CARD, np.float32)
        drawing.tensors[f"{codebook}.embedding_sum"] = book
    return np.asarray(up @ total.T, np.float32)
