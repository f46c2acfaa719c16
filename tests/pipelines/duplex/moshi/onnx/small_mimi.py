"""A Mimi of the true shape and a fraction of the width, and the same computed whole by numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.special import erf

from pipelines.duplex.moshi.weights.mimi_layers import convolve, convolve_up, elu
from pipelines.weights import safetensors
from pipelines.weights.safetensors import Tensor

RATIOS = (4, 5, 6, 8)
FILTERS, DIM, LAYERS, BOOKS, ENTRIES, WIDTH = 2, 64, 2, 8, 32, 16
CONTEXT = 250


def tensors(seed=0, entries=ENTRIES, book_width=WIDTH):
    """Name → values, under the checkpoint's names."""
    rng = np.random.default_rng(seed)
    made = {}

    def add(name, *shape, fan_in=0, mean=0.0):
        values = rng.standard_normal(shape) * (fan_in or np.prod(shape[1:]) or 1.0) ** -0.5
        made[name] = (values + mean).astype(np.float32)

    def conv(name, out, channels, k):
        add(f"{name}.conv.conv.weight", out, channels, k)
        add(f"{name}.conv.conv.bias", out, fan_in=100)

    def residual(name, width):
        conv(f"{name}.block.1", width // 2, width, 3)
        conv(f"{name}.block.3", width, width // 2, 1)

    width = FILTERS
    conv("encoder.model.0", width, 1, 7)
    for i, ratio in enumerate(RATIOS):
        residual(f"encoder.model.{1 + 3 * i}", width)
        conv(f"encoder.model.{3 + 3 * i}", 2 * width, width, 2 * ratio)
        width *= 2
    conv("encoder.model.14", DIM, width, 3)
    add("downsample.conv.conv.conv.weight", DIM, DIM, 4)
    add("upsample.convtr.convtr.convtr.weight", DIM, 1, 4, fan_in=1)
    conv("decoder.model.0", width, DIM, 7)
    for i, ratio in enumerate(reversed(RATIOS)):
        name = f"decoder.model.{2 + 3 * i}.convtr.convtr"
        add(f"{name}.weight", width, width // 2, 2 * ratio, fan_in=2 * width)
        width //= 2
        add(f"{name}.bias", width, fan_in=100)
        residual(f"decoder.model.{3 + 3 * i}", width)
    conv("decoder.model.14", 1, width, 3)
    for side in ("encoder", "decoder"):
        for i in range(LAYERS):
            layer = f"{side}_transformer.transformer.layers.{i}"
            add(f"{layer}.self_attn.in_proj_weight", 3 * DIM, DIM)
            add(f"{layer}.self_attn.out_proj.weight", DIM, DIM)
            add(f"{layer}.linear1.weight", 2 * DIM, DIM)
            add(f"{layer}.linear2.weight", DIM, 2 * DIM)
            for norm in ("norm1", "norm2"):
                add(f"{layer}.{norm}.weight", DIM, fan_in=100, mean=1.0)
                add(f"{layer}.{norm}.bias", DIM, fan_in=100)
            for scale in ("layer_scale_1", "layer_scale_2"):
                add(f"{layer}.{scale}.scale", DIM, fan_in=100, mean=0.5)
    for room, count in (("rvq_first", 1), ("rvq_rest", BOOKS - 1)):
        add(f"quantizer.{room}.input_proj.weight", book_width, DIM, 1)
        add(f"quantizer.{room}.output_proj.weight", DIM, book_width, 1)
        for i in range(count):
            book = f"quantizer.{room}.vq.layers.{i}._codebook"
            add(f"{book}.embedding_sum", entries, book_width, fan_in=1)
            made[f"{book}.cluster_usage"] = rng.uniform(0.5, 3.0, entries).astype(np.float32)
            made[f"{book}._initialized"] = np.ones(1, np.float32)
    return made


def write(path: Path, made) -> Path:
    """Writes a checkpoint."""
    layout = {name: Tensor("F32", values.shape) for name, values in made.items()}
    safetensors.write(path, layout, iter(made.items()))
    return path


def encode(t, pcm):
    """(samples,) → codes (frames, BOOKS)."""
    x = _conv(t, "encoder.model.0", pcm[None])
    for i, ratio in enumerate(RATIOS):
        x = _residual(t, f"encoder.model.{1 + 3 * i}", x)
        x = _conv(t, f"encoder.model.{3 + 3 * i}", elu(x), ratio)
    x = _conv(t, "encoder.model.14", elu(x))
    x = _transformer(t, "encoder_transformer", x.T).T
    padded = np.concatenate((x[:, :1], x[:, :1], x), axis=1)
    w = t["downsample.conv.conv.conv.weight"]
    x = np.stack([np.einsum("oik,ik->o", w, padded[:, i : i + 4])
                  for i in range(0, x.shape[1], 2)])  # fmt: skip
    codes = []
    for room, count in (("rvq_first", 1), ("rvq_rest", BOOKS - 1)):
        left = x @ t[f"quantizer.{room}.input_proj.weight"][:, :, 0].T
        for i in range(count):
            book = _book(t, room, i)
            code = ((left[:, None] - book[None]) ** 2).sum(axis=2).argmin(axis=1)
            left = left - book[code]
            codes.append(code)
    return np.stack(codes, axis=1)


def decode(t, codes):
    """codes (frames, BOOKS) → (samples,)."""
    x = np.zeros((len(codes), DIM), np.float32)
    at = 0
    for room, count in (("rvq_first", 1), ("rvq_rest", BOOKS - 1)):
        entries = sum(_book(t, room, i)[codes[:, at + i]] for i in range(count))
        x += entries @ t[f"quantizer.{room}.output_proj.weight"][:, :, 0].T
        at += count
    w = t["upsample.convtr.convtr.convtr.weight"][:, 0]
    y = np.zeros((2 * len(x) + 2, DIM), np.float32)
    for i, row in enumerate(x):
        y[2 * i : 2 * i + 4] += (w * row[:, None]).T
    x = _transformer(t, "decoder_transformer", y[:-2]).T
    x = _conv(t, "decoder.model.0", x)
    for i, ratio in enumerate(reversed(RATIOS)):
        name = f"decoder.model.{2 + 3 * i}.convtr.convtr"
        x = convolve_up(elu(x), t[f"{name}.weight"], ratio) + t[f"{name}.bias"][:, None]
        x = _residual(t, f"decoder.model.{3 + 3 * i}", x)
    return _conv(t, "decoder.model.14", elu(x))[0]


def _conv(t, name, x, stride=1):
    return convolve(x, t[f"{name}.conv.conv.weight"], stride) + t[f"{name}.conv.conv.bias"][:, None]


def _residual(t, name, x):
    return x + _conv(t, f"{name}.block.3", elu(_conv(t, f"{name}.block.1", elu(x))))


def _book(t, room, i):
    name = f"quantizer.{room}.vq.layers.{i}._codebook"
    return t[f"{name}.embedding_sum"] / t[f"{name}.cluster_usage"][:, None]


def _norm(t, name, x):
    centred = x - x.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return scaled * t[f"{name}.weight"] + t[f"{name}.bias"]


def _transformer(t, name, x):
    steps = len(x)
    back = np.arange(steps)[:, None] - np.arange(steps)
    seen = (back >= 0) & (back < CONTEXT)
    angles = np.arange(steps)[:, None] * 10_000.0 ** (-np.arange(32) / 32)
    turn = np.exp(1j * angles)
    for i in range(LAYERS):
        layer = f"{name}.transformer.layers.{i}"
        y = _norm(t, f"{layer}.norm1", x)
        q, k, v = np.split(y @ t[f"{layer}.self_attn.in_proj_weight"].T, 3, axis=1)
        q, k = ((z[:, 0::2] + 1j * z[:, 1::2]) * turn for z in (q, k))
        scores = np.where(seen, (q @ k.conj().T).real / 8.0, -np.inf)  # one head of 64
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        y = weights / weights.sum(axis=1, keepdims=True) @ v
        x = x + y @ t[f"{layer}.self_attn.out_proj.weight"].T * t[f"{layer}.layer_scale_1.scale"]
        y = _norm(t, f"{layer}.norm2", x) @ t[f"{layer}.linear1.weight"].T
        y = y * 0.5 * (1 + erf(y / np.sqrt(2)))
        x = x + y @ t[f"{layer}.linear2.weight"].T * t[f"{layer}.layer_scale_2.scale"]
    return x.astype(np.float32)
