"""Pocket TTS's codec, very small, under its true names, and its decoder computed whole by numpy."""

from __future__ import annotations

import numpy as np

from pipelines.duplex.moshi.weights.mimi_layers import convolve, convolve_up, elu

RATIOS, STEPS = (6, 5, 4), 16
LATENT, DIM, HEADS, LAYERS, WIDTH, CONTEXT = 8, 64, 2, 2, 32, 50
FRAMES = 12


def tensors(seed=0):
    """Name → values, under the names of the package's model.safetensors."""
    rng = np.random.default_rng(seed)
    made = {}

    def add(name, *shape, fan_in=0, mean=0.0):
        values = rng.standard_normal(shape) * (fan_in or np.prod(shape[1:]) or 1.0) ** -0.5
        made[f"mimi.{name}"] = (values + mean).astype(np.float32)

    def conv(name, out, channels, k):
        add(f"{name}.conv.weight", out, channels, k)
        add(f"{name}.conv.bias", out, fan_in=100)

    add("quantizer.output_proj.weight", DIM, LATENT, 1)
    add("upsample.convtr.convtr.weight", DIM, 1, 2 * STEPS, fan_in=1)
    conv("decoder.model.0", WIDTH, DIM, 7)
    width = WIDTH
    for i, ratio in enumerate(RATIOS):
        name = f"decoder.model.{2 + 3 * i}.convtr"
        add(f"{name}.weight", width, width // 2, 2 * ratio, fan_in=2 * width)
        width //= 2
        add(f"{name}.bias", width, fan_in=100)
        conv(f"decoder.model.{3 + 3 * i}.block.1", width // 2, width, 3)
        conv(f"decoder.model.{3 + 3 * i}.block.3", width, width // 2, 1)
    conv("decoder.model.11", 1, width, 3)
    for i in range(LAYERS):
        layer = f"decoder_transformer.transformer.layers.{i}"
        add(f"{layer}.self_attn.in_proj.weight", 3 * DIM, DIM)
        add(f"{layer}.self_attn.out_proj.weight", DIM, DIM)
        add(f"{layer}.linear1.weight", 2 * DIM, DIM)
        add(f"{layer}.linear2.weight", DIM, 2 * DIM)
        for norm in ("norm1", "norm2"):
            add(f"{layer}.{norm}.weight", DIM, fan_in=100, mean=1.0)
            add(f"{layer}.{norm}.bias", DIM, fan_in=100)
        for scale in ("layer_scale_1", "layer_scale_2"):
            add(f"{layer}.{scale}.scale", DIM, fan_in=100, mean=0.5)
    return made


def decode(tensors, latents):
    """(frames, LATENT) → (samples,)."""
    t = {name.removeprefix("mimi."): values for name, values in tensors.items()}
    x = latents @ t["quantizer.output_proj.weight"][:, :, 0].T
    w = t["upsample.convtr.convtr.weight"][:, 0]
    y = np.zeros(((len(x) + 1) * STEPS, DIM), np.float32)
    for i, row in enumerate(x):
        y[i * STEPS : (i + 2) * STEPS] += (w * row[:, None]).T
    x = _transformer(t, y[:-STEPS]).T
    x = _conv(t, "decoder.model.0", x)
    for i, ratio in enumerate(RATIOS):
        name = f"decoder.model.{2 + 3 * i}.convtr"
        x = convolve_up(elu(x), t[f"{name}.weight"], ratio) + t[f"{name}.bias"][:, None]
        block = f"decoder.model.{3 + 3 * i}.block"
        x = x + _conv(t, f"{block}.3", elu(_conv(t, f"{block}.1", elu(x))))
    return _conv(t, "decoder.model.11", elu(x))[0]


def _conv(t, name, x):
    return convolve(x, t[f"{name}.conv.weight"], 1) + t[f"{name}.conv.bias"][:, None]


def _norm(t, name, x):
    centred = x - x.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return scaled * t[f"{name}.weight"] + t[f"{name}.bias"]


def _transformer(t, x):
    steps, half = len(x), DIM // HEADS // 2
    back = np.arange(steps)[:, None] - np.arange(steps)
    seen = (back >= 0) & (back < CONTEXT)
    turn = np.exp(1j * np.arange(steps)[:, None] * 10_000.0 ** (-np.arange(half) / half))
    for i in range(LAYERS):
        layer = f"decoder_transformer.transformer.layers.{i}"
        y = _norm(t, f"{layer}.norm1", x) @ t[f"{layer}.self_attn.in_proj.weight"].T
        heads = []
        for q, k, v in zip(*(np.split(z, HEADS, axis=1) for z in np.split(y, 3, 1)), strict=True):
            q, k = ((z[:, 0::2] + 1j * z[:, 1::2]) * turn for z in (q, k))
            scores = np.where(seen, (q @ k.conj().T).real * (2 * half) ** -0.5, -np.inf)
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            heads.append(weights / weights.sum(axis=1, keepdims=True) @ v)
        y = np.concatenate(heads, axis=1) @ t[f"{layer}.self_attn.out_proj.weight"].T
        x = x + y * t[f"{layer}.layer_scale_1.scale"]
        y = _norm(t, f"{layer}.norm2", x) @ t[f"{layer}.linear1.weight"].T
        y = y * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        x = x + y @ t[f"{layer}.linear2.weight"].T * t[f"{layer}.layer_scale_2.scale"]
    return x.astype(np.float32)
