"""Mimi's convolutions in numpy, whose weights are drawn as the audio passes.

A random convolution network maps all inputs to nearly the same point. So each layer is drawn,
applied to real audio, and rescaled until every output channel has mean 0 and standard deviation 1
on it; its output is the next layer's input. Signals are ``(channels, time)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pipelines.duplex.moshi.weights.lm import F32, generator

RATIOS = (4, 5, 6, 8)
"""Strides of the encoder, in its order: 960 samples a step, 25 Hz; the last halving follows."""
FILTERS = 64
DIM = 512
_LEAST_STD = 1e-6


def elu(x: F32) -> F32:
    """Mimi's activation."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0))).astype(np.float32)


def convolve(x: F32, weight: F32, stride: int = 1) -> F32:
    """A causal convolution: ``weight`` (out, in, k), zeros before the signal, as Mimi pads."""
    k = weight.shape[2]
    steps = x.shape[1] // stride
    padded = np.pad(x, ((0, 0), (k - stride, 0)))
    out = np.zeros((weight.shape[0], steps), np.float32)
    for i in range(k):  # k products of matrices need far less memory than one of unfolded input
        seen = padded[:, i : i + (steps - 1) * stride + 1 : stride]
        out += _product(weight[:, :, i], seen)
    return out


def convolve_up(x: F32, weight: F32, stride: int) -> F32:
    """A causal transposed convolution: ``weight`` (in, out, k); what is yet to come is cut off."""
    k = weight.shape[2]
    steps = x.shape[1]
    out = np.zeros((weight.shape[1], steps * stride + k), np.float32)
    for i in range(k):
        out[:, i : i + (steps - 1) * stride + 1 : stride] += _product(weight[:, :, i].T, x)
    return out[:, : steps * stride]


def _product(a: F32, b: F32) -> F32:
    """A product of matrices; numpy's is slow, by a factor of 20, on strided ones."""
    return np.ascontiguousarray(a) @ np.ascontiguousarray(b)


@dataclass(slots=True)
class Drawing:
    """The tensors drawn so far, under the names of Mimi's checkpoint."""

    seed: int
    tensors: dict[str, F32] = field(default_factory=dict)

    def conv(self, name: str, x: F32, out: int, k: int, stride: int = 1, gain: float = 1.0) -> F32:
        """Draws one convolution so that its output on ``x`` is normalised to ``gain``."""
        weight = self._normal(f"{name}.conv.conv.weight", (out, x.shape[0], k))
        y = convolve(x, weight, stride)
        scale = self._normalised(f"{name}.conv.conv", y, gain)
        weight *= scale[:, None, None]
        return y

    def conv_up(self, name: str, x: F32, out: int, stride: int) -> F32:
        """Draws one transposed convolution."""
        weight = self._normal(f"{name}.convtr.convtr.weight", (x.shape[0], out, 2 * stride))
        y = convolve_up(x, weight, stride)
        scale = self._normalised(f"{name}.convtr.convtr", y, 1.0)
        weight *= scale[None, :, None]
        return y

    def residual(self, name: str, x: F32) -> F32:
        """Draws a residual block: its sum with the input keeps a standard deviation near 1."""
        width = x.shape[0]
        y = self.conv(f"{name}.block.1", elu(x), width // 2, 3)
        y = self.conv(f"{name}.block.3", elu(y), width, 1, gain=0.5)
        return x + y

    def transformer(self, name: str) -> None:
        """Draws a transformer whose layers add little, like Mimi's with its layer scale of 0.01."""
        for i in range(8):
            layer = f"{name}.transformer.layers.{i}"
            self._normal(f"{layer}.self_attn.in_proj_weight", (3 * DIM, DIM), DIM**-0.5)
            self._normal(f"{layer}.self_attn.out_proj.weight", (DIM, DIM), DIM**-0.5)
            self._normal(f"{layer}.linear1.weight", (4 * DIM, DIM), DIM**-0.5)
            self._normal(f"{layer}.linear2.weight", (DIM, 4 * DIM), DIM**-0.5)
            for norm in ("norm1", "norm2"):
                self.tensors[f"{layer}.{norm}.weight"] = np.ones(DIM, np.float32)
                self.tensors[f"{layer}.{norm}.bias"] = np.zeros(DIM, np.float32)
            for scale in ("layer_scale_1", "layer_scale_2"):
                self.tensors[f"{layer}.{scale}.scale"] = np.full(DIM, 0.01, np.float32)

    def _normal(self, name: str, shape: tuple[int, ...], std: float = 1.0) -> F32:
        values = generator(self.seed, name).standard_normal(shape, np.float32)
        values *= np.float32(std)
        self.tensors[name] = values
        return values

    def _normalised(self, name: str, y: F32, gain: float) -> F32:
        """Normalises ``y`` in place; keeps the bias that does so, returns the scale."""
        scale = gain / np.maximum(y.std(axis=1, dtype=np.float64), _LEAST_STD)
        mean = y.mean(axis=1, dtype=np.float64)
        y -= mean[:, None].astype(np.float32)
        y *= scale[:, None].astype(np.float32)
        self.tensors[f"{name}.bias"] = (-mean * scale).astype(np.float32)
        return np.asarray(scale, np.float32)


def draw_encoder(drawing: Drawing, pcm: F32) -> F32:
    """Draws the encoder on ``pcm`` (1, samples); returns (512, frames) at 12.5 Hz."""
    x = drawing.conv("encoder.model.0", pcm, FILTERS, 7)
    width = FILTERS
    for i, ratio in enumerate(RATIOS):
        x = drawing.residual(f"encoder.model.{1 + 3 * i}", x)
        width *= 2
        x = drawing.conv(f"encoder.model.{3 + 3 * i}", elu(x), width, 2 * ratio, ratio)
    x = drawing.conv("encoder.model.14", elu(x), DIM, 3)
    drawing.transformer("encoder_transformer")
    # Means of two steps, mixed a little: no bias here, so no normalising.
    name = "downsample.conv.conv.conv.weight"
    weight = generator(drawing.seed, name).standard_normal((DIM, DIM, 4), np.float32)
    weight *= np.float32(0.5 * (4 * DIM) ** -0.5)
    weight[np.arange(DIM), np.arange(DIM), 1:3] += 0.5
    drawing.tensors[name] = weight
    return convolve(x, weight, 2)


def encode(tensors: Mapping[str, F32], pcm: F32) -> F32:
    """The encoder as it was drawn, without its transformer: (1, samples) → (512, frames)."""

    def conv(name: str, x: F32, stride: int = 1) -> F32:
        name = f"{name}.conv.conv"
        return convolve(x, tensors[f"{name}.weight"], stride) + tensors[f"{name}.bias"][:, None]

    x = conv("encoder.model.0", pcm)
    for i, ratio in enumerate(RATIOS):
        block = f"encoder.model.{1 + 3 * i}.block"
        x = x + conv(f"{block}.3", elu(conv(f"{block}.1", elu(x))))
        x = conv(f"encoder.model.{3 + 3 * i}", elu(x), ratio)
    x = conv("encoder.model.14", elu(x))
    return convolve(x, tensors["downsample.conv.conv.conv.weight"], 2)


def draw_decoder(drawing: Drawing, latent: F32, level: float) -> F32:
    """Draws the decoder on ``latent`` (512, frames).

    Args:
        drawing: Takes the tensors.
        latent: Output of the quantiser.
        level: Standard deviation of the samples; 0.05 is about -26 dBFS.

    Returns:
        (1, samples) of its output.
    """
    name = "upsample.convtr.convtr.convtr.weight"
    weight = np.zeros((DIM, 1, 4), np.float32)  # each channel by itself
    weight[:, 0, :] = (0.75, 1.0, 0.5, 0.25)
    drawing.tensors[name] = weight
    x = np.zeros((DIM, 2 * latent.shape[1] + 4), np.float32)
    for i in range(4):
        x[:, i : i + 2 * latent.shape[1] : 2] += weight[:, :, i] * latent
    drawing.transformer("decoder_transformer")
    width = FILTERS * 2 ** len(RATIOS)
    x = drawing.conv("decoder.model.0", x[:, : 2 * latent.shape[1]], width, 7)
    for i, ratio in enumerate(reversed(RATIOS)):
        width //= 2
        x = drawing.conv_up(f"decoder.model.{2 + 3 * i}", elu(x), width, ratio)
        x = drawing.residual(f"decoder.model.{3 + 3 * i}", x)
    return drawing.conv("decoder.model.14", elu(x), 1, 3, gain=level)
