"""The blocks of Kokoro (a StyleTTS 2 with an ISTFTNet), as nodes of an ONNX network."""

from __future__ import annotations

from pipelines.engines.synthetic.onnx_graph import Graph

_HEAD = 64
_KERNELS = (3, 7, 11)
_DILATIONS = (1, 3, 5)
_UPSAMPLE = ((10, 20), (6, 12))  # (factor, kernel)
_HOP, _WINDOW, _BINS = 5, 20, 11


class Layers:
    """Writes blocks into a graph; ``sound`` and ``prosody`` are halves of the voice's vector."""

    def __init__(self, g: Graph, style: int) -> None:
        self.g = g
        self.style = style
        self.sound = self.prosody = ""

    def albert(self, ids: str, symbols: int, width: int, layers: int) -> str:
        """Token ids (1, T) → (1, T, width); one layer's weights, applied again and again."""
        g, heads = self.g, width // _HEAD
        x = g.linear(g.add("Gather", g.random(symbols, 128, fan_in=1), ids), 128, width)
        q, k, v, o = (g.random(width, width, fan_in=width) for _ in range(4))
        wide = width * 8 // 3
        up, down = g.random(width, wide, fan_in=width), g.random(wide, width, fan_in=wide)
        for _ in range(layers):
            qs, ks, vs = (g.heads(g.add("MatMul", x, w), heads, _HEAD) for w in (q, k, v))
            seen = g.add("MatMul", g.attend(qs, ks, vs, _HEAD), o)
            x = g.norm(g.add("Add", x, seen), width)
            y = g.add("MatMul", self._gelu(g.add("MatMul", x, up)), down)
            x = g.norm(g.add("Add", x, y), width)
        return x

    def duration_encoder(self, x: str, hidden: int) -> str:
        """(1, T, hidden) → (T, 1, hidden + style): recurrent layers that know the voice."""
        g = self.g
        x = self._with_style(g.add("Transpose", x, perm=[1, 0, 2]))
        for _ in range(3):
            x = g.norm(g.lstm(x, hidden + self.style, hidden // 2), hidden)
            x = self._with_style(self._scaled(x, self.prosody, hidden, [1, 1, hidden]))
        return x

    def curve(self, x: str, hidden: int) -> str:
        """Pitch or energy: (1, hidden, frames) → (1, 1, 2 frames)."""
        x = self._block(x, self.prosody, hidden, hidden)
        x = self._block(x, self.prosody, hidden, hidden // 2, up=True)
        x = self._block(x, self.prosody, hidden // 2, hidden // 2)
        return self.g.conv(x, hidden // 2, 1)

    def text_encoder(self, ids: str, symbols: int, hidden: int) -> str:
        """Token ids (1, T) → (1, hidden, T)."""
        g = self.g
        x = g.add("Gather", g.random(symbols, hidden, fan_in=1), ids)
        for _ in range(3):
            y = g.conv(g.add("Transpose", x, perm=[0, 2, 1]), hidden, hidden, 5)
            y = g.norm(g.add("Transpose", y, perm=[0, 2, 1]), hidden)
            x = g.add("LeakyRelu", y, alpha=0.2)
        x = g.lstm(g.add("Transpose", x, perm=[1, 0, 2]), hidden, hidden // 2)
        return g.add("Transpose", x, perm=[1, 2, 0])

    def decoder(self, text: str, pitch: str, energy: str, hidden: int) -> str:
        """(1, hidden, frames) and the curves → (1, hidden, 2 frames)."""
        g, wide = self.g, 2 * hidden
        curves = [
            g.add("Conv", c, g.random(1, 1, 3), strides=[2], pads=[1, 1]) for c in (pitch, energy)
        ]
        x = g.add("Concat", text, *curves, axis=1)
        x = self._block(x, self.sound, hidden + 2, wide)
        rest = g.conv(text, hidden, 64)
        for i in range(4):
            x = g.add("Concat", x, rest, *curves, axis=1)
            last = i == 3
            x = self._block(x, self.sound, wide + 66, hidden if last else wide, up=last)
        return x

    def vocoder(self, x: str, pitch: str, hidden: int) -> None:
        """ISTFTNet: (1, hidden, 2 frames) and the pitch → ``audio`` (600 frames,)."""
        g, bins = self.g, 2 * _BINS
        wave = g.upsample(pitch, _UPSAMPLE[0][0] * _UPSAMPLE[1][0] * _HOP)
        wave = g.add("Tanh", g.conv(g.add("Sin", g.conv(wave, 1, 9)), 9, 1))
        source = g.add(
            "Conv", wave, g.random(bins, 1, _WINDOW), strides=[_HOP], pads=[8, _WINDOW - _HOP - 8]
        )
        channels = hidden
        for i, (factor, kernel) in enumerate(_UPSAMPLE):
            x = g.add("LeakyRelu", x, alpha=0.1)
            pad = (kernel - factor) // 2
            weight = g.random(channels, channels // 2, kernel, fan_in=channels * kernel // factor)
            x = g.add("ConvTranspose", x, weight, strides=[factor], pads=[pad, pad])
            channels //= 2
            if i == 0:
                step = _UPSAMPLE[1][0]
                weight = g.random(channels, bins, 2 * step)
                heard = g.add(
                    "Conv", source, weight, strides=[step], pads=[step // 2, step - step // 2]
                )
            else:
                heard = g.conv(source, bins, channels)
            x = g.add("Add", x, self._residuals(heard, channels, 7 if i == 0 else 11))
            total = ""
            for kernel in _KERNELS:
                y = self._residuals(x, channels, kernel)
                total = g.add("Add", total, y) if total else y
            x = g.add("Mul", total, g.constant(1 / len(_KERNELS)))
        x = g.conv(g.add("LeakyRelu", x, alpha=0.01), channels, bins, 7)
        size, phase = g.split(x, g.constant([_BINS, _BINS], "int64"), axis=1)
        size, phase = g.add("Exp", g.add("Tanh", size)), g.add("Sin", phase)
        spectrum = g.add(
            "Concat",
            g.add("Mul", size, g.add("Cos", phase)),
            g.add("Mul", size, g.add("Sin", phase)),
            axis=1,
        )
        weight = g.add("Mul", g.random(bins, 1, _WINDOW, fan_in=bins * 4), g.constant(0.1))
        pads = [8, _WINDOW - _HOP - 8]
        wave = g.add("ConvTranspose", spectrum, weight, strides=[_HOP], pads=pads)
        g.add("Reshape", g.add("Tanh", wave), g.constant([-1], "int64"), name="audio")

    def _residuals(self, x: str, channels: int, kernel: int) -> str:
        """Dilated convolutions between normalisations that know the voice; sine activations."""
        g = self.g
        for dilation in _DILATIONS:
            y = self._snake(self._styled(x, self.sound, channels))
            y = g.conv(y, channels, channels, kernel, dilation)
            y = self._snake(self._styled(y, self.sound, channels))
            x = g.add("Add", x, g.conv(y, channels, channels, kernel))
        return x

    def _block(self, x: str, style: str, channels: int, to: int, up: bool = False) -> str:
        """Two convolutions and a way around them; ``up`` doubles the length."""
        g = self.g
        y = g.add("LeakyRelu", self._styled(x, style, channels), alpha=0.2)
        if up:
            y = g.add(
                "ConvTranspose", y, g.random(channels, 1, 3), strides=[2], pads=[1, 1],
                output_padding=[1], group=channels,
            )  # fmt: skip
            x = g.upsample(x, 2)
        y = g.conv(y, channels, to, 3)
        y = g.conv(g.add("LeakyRelu", self._styled(y, style, to), alpha=0.2), to, to, 3)
        around = x if channels == to else g.conv(x, channels, to)
        return g.add("Mul", g.add("Add", y, around), g.constant(2**-0.5))

    def _styled(self, x: str, style: str, channels: int) -> str:
        """Instance normalisation, scaled and shifted by the voice: (1, channels, T)."""
        g = self.g
        ones, zeros = g.constant([1.0] * channels), g.constant([0.0] * channels)
        x = g.add("InstanceNormalization", x, ones, zeros)
        return self._scaled(x, style, channels, [1, channels, 1])

    def _scaled(self, x: str, style: str, channels: int, shape: list[int]) -> str:
        g = self.g
        both = g.linear(style, self.style, 2 * channels)
        scale, shift = g.split(both, g.constant([channels, channels], "int64"), axis=1)
        at = g.constant(shape, "int64")
        scale = g.add("Add", g.add("Reshape", scale, at), g.constant(1.0))
        return g.add("Add", g.add("Mul", x, scale), g.add("Reshape", shift, at))

    def _with_style(self, x: str) -> str:
        """(T, 1, n) → (T, 1, n + style)."""
        g = self.g
        length = g.add("Slice", g.add("Shape", x), *(g.constant([i], "int64") for i in (0, 1)))
        shape = g.add("Concat", length, g.constant([1, self.style], "int64"), axis=0)
        return g.add("Concat", x, g.add("Expand", self.prosody, shape), axis=2)

    def _snake(self, x: str) -> str:
        g = self.g
        wave = g.add("Sin", x)
        return g.add("Add", x, g.add("Mul", wave, wave))

    def _gelu(self, x: str) -> str:
        g = self.g
        half = g.add("Mul", x, g.constant(0.5))
        erf = g.add("Erf", g.add("Mul", x, g.constant(2**-0.5)))
        return g.add("Mul", half, g.add("Add", erf, g.constant(1.0)))
