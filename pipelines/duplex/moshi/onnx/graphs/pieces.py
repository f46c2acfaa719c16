"""What the graphs of a convolutional codec of Mimi's kind are made of, beside the convolutions.

Signals are (batch, steps, width); a transformer works on all steps of a frame at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.duplex.moshi.onnx.graphs import quantised
from pipelines.duplex.moshi.onnx.graphs.convolutions import Layers, Product, is_paired
from pipelines.duplex.moshi.onnx.graphs.graph import Graph, Linear
from pipelines.duplex.moshi.onnx.graphs.ring import Ring, RingAttention
from pipelines.duplex.moshi.onnx.graphs.state import FlatState
from pipelines.weights.safetensors import Reader

F32 = npt.NDArray[np.float32]

_EPSILON = 1e-5
_IN_NAMES = ("in_projs.0.weight", "in_proj_weight", "in_proj.weight")
_OUT_NAMES = ("out_projs.0.weight", "out_proj.weight")
"""Names of a layer's two matrices of attention, in checkpoints of several ages."""


@contextmanager
def writing(path: Path) -> Iterator[Graph]:
    """The graph of that file, whose weights lie beside it under ``.data``."""
    data = path.with_suffix(".data")
    with data.open("wb") as weights:
        graph = Graph(weights, data.name)
        yield graph
    graph.save(path)


class Build:
    """What a codec's graph is written with."""

    def __init__(
        self,
        graph: Graph,
        pieces: dict[str, tuple[int, ...]],
        tensors: Reader,
        ring: Ring,
        *,
        bits: int = 32,
        prefix: str = "",
        nested: bool = True,
    ) -> None:
        """Declares the inputs that are state.

        Args:
            graph: The graph under construction.
            pieces: Of `FlatState`.
            tensors: The checkpoint.
            ring: Shape of the transformer's attention.
            bits: Of the transformer's matrices: 32; 16, two halves of 8; or 8. Below 32, layers of
                few steps are in two halves of 8, too.
            prefix: Of the codec's names in the checkpoint.
            nested: True if a convolution's tensors lie below two names, as in ``conv.conv.weight``.
        """
        self.graph, self.ring, self._reader, self._prefix = graph, ring, tensors, prefix
        self._repeats = 2 if nested else 1
        self.state = FlatState(graph, pieces)
        self.attention = RingAttention(graph, ring)
        halves = partial(quantised.halves, graph)
        products: dict[int, Linear] = {32: graph.linear, 16: halves}
        self.linear = products.get(bits) or partial(quantised.linear, graph, bits=bits)
        self.few: Product = graph.linear if bits == 32 else halves
        self.layers = Layers(graph, self.state, self.few)

    def tensors(self, name: str, *shape: int) -> F32:
        """A tensor of that shape.

        Raises:
            WeightsError: it is missing, or has another shape.
        """
        return self._reader(self._prefix + name, *shape)

    def has(self, name: str) -> bool:
        """True if the checkpoint has that tensor."""
        return self._prefix + name in self._reader

    def rows(self, name: str) -> int:
        """Length of a tensor's first dimension.

        Raises:
            WeightsError: it is missing.
        """
        if not self.has(name):
            self._reader.raw(self._prefix + name)  # which says so
        return self._reader.header[self._prefix + name].shape[0]

    def conv(self, name: str, out: int, channels: int, k: int) -> tuple[F32, F32]:
        """Weight and bias of a convolution."""
        name += self._repeats * ".conv"
        return self.tensors(f"{name}.weight", out, channels, k), self.tensors(f"{name}.bias", out)

    def conv_up(self, name: str, channels: int, out: int, k: int) -> tuple[F32, F32]:
        """The same of a transposed one."""
        name += self._repeats * ".convtr"
        return self.tensors(f"{name}.weight", channels, out, k), self.tensors(f"{name}.bias", out)

    def finish(self) -> None:
        """Declares the outputs that are state."""
        self.state.finish()
        self.attention.finish()


def past(width: int, steps: int) -> tuple[int, int]:
    """What the first convolution of a residual block keeps."""
    return (1, width) if is_paired(3, steps) else (2, width)


def residual(build: Build, name: str, x: str, width: int, steps: int) -> str:
    """A residual block."""
    layers = build.layers
    first, last = f"{name}.block.1", f"{name}.block.3"
    half = width // 2
    y = layers.elu(x, steps * width)
    y = layers.conv(first, y, *build.conv(first, half, width, 3), steps)
    y = layers.elu(y, steps * half)
    y = layers.pointwise(y, *build.conv(last, width, half, 1), steps)
    return build.graph.op("Add", x, y)


def upward_pieces(
    dim: int, kernel: int, width: int, ratios: Sequence[int], steps: int
) -> dict[str, tuple[int, ...]]:
    """What the layers of `upward` keep."""
    pieces: dict[str, tuple[int, ...]] = {"decoder.model.0": (kernel - 1, dim)}
    for i, ratio in enumerate(ratios):
        pieces[f"decoder.model.{2 + 3 * i}"] = (1, width)
        width, steps = width // 2, steps * ratio
        pieces[f"decoder.model.{3 + 3 * i}.block.1"] = past(width, steps)
    return pieces | {f"decoder.model.{2 + 3 * len(ratios)}": (2, 3)}


def upward(
    build: Build, x: str, dim: int, kernel: int, width: int, ratios: Sequence[int], steps: int
) -> str:
    """The convolutional decoder: (batch, steps, dim) → ``pcm`` (batch, 1, samples).

    Args:
        build: The graph under construction.
        x: The signal.
        dim: Its width.
        kernel: Of the first convolution.
        width: After the first convolution; halved by each stride.
        ratios: Strides.
        steps: Of a frame.
    """
    layers = build.layers
    weight, bias = build.conv("decoder.model.0", width, dim, kernel)
    x = layers.conv("decoder.model.0", x, weight, bias, steps)
    for i, ratio in enumerate(ratios):
        name = f"decoder.model.{2 + 3 * i}"
        weight, bias = build.conv_up(name, width, width // 2, 2 * ratio)
        x = layers.conv_up(name, layers.elu(x, steps * width), weight, bias, steps)
        width, steps = width // 2, steps * ratio
        x = residual(build, f"decoder.model.{3 + 3 * i}", x, width, steps)
    last = f"decoder.model.{2 + 3 * len(ratios)}"
    weight, bias = build.conv(last, 1, width, 3)
    x = layers.conv_out(last, layers.elu(x, steps * width), weight, bias, steps)
    return build.graph.reshape(x, -1, 1, steps)


def transformer(build: Build, name: str, x: str, *, gelu: str = "none") -> str:
    """(batch, steps, dim) → the same. The layers' scales are part of the matrices.

    Args:
        build: The graph under construction.
        name: Of the transformer.
        x: The signal.
        gelu: ``approximate`` of the activation: ``none`` or ``tanh``.
    """
    graph, tensors, linear = build.graph, build.tensors, build.linear
    dim = build.ring.heads * build.ring.width
    x = graph.reshape(x, -1, dim)
    for i in range(build.ring.layers):
        layer = f"{name}.transformer.layers.{i}"
        scale = [tensors(f"{layer}.layer_scale_{n}.scale", dim)[:, None] for n in (1, 2)]
        hidden = build.rows(f"{layer}.linear1.weight")
        attention = f"{layer}.self_attn"
        in_name, out_name = (
            next((n for n in names if build.has(f"{attention}.{n}")), names[1])
            for names in (_IN_NAMES, _OUT_NAMES)
        )
        y = _norm(build, x, f"{layer}.norm1", dim)
        in_proj = tensors(f"{attention}.{in_name}", 3 * dim, dim)
        y = build.attention.attend(y, in_proj, linear)
        out_proj = tensors(f"{attention}.{out_name}", dim, dim)
        x = graph.op("Add", x, linear(y, (out_proj * scale[0]).T))
        y = _norm(build, x, f"{layer}.norm2", dim)
        y = linear(y, tensors(f"{layer}.linear1.weight", hidden, dim).T)
        linear2 = tensors(f"{layer}.linear2.weight", dim, hidden)
        y = linear(graph.op("Gelu", y, approximate=gelu), (linear2 * scale[1]).T)
        x = graph.op("Add", x, y)
    return graph.reshape(x, -1, build.ring.steps, dim)


def _norm(build: Build, x: str, name: str, dim: int) -> str:
    both = [build.tensors(f"{name}.{what}", dim) for what in ("weight", "bias")]
    parts = [build.graph.weight(values) for values in both]
    return build.graph.op("LayerNormalization", x, *parts, epsilon=_EPSILON)


def upsample(build: Build, x: str, name: str, dim: int) -> str:
    """(batch, dim) → (batch, steps, dim): each channel by itself; half overlaps the next frame,
    which the piece ``upsample`` (steps, dim) keeps.
    """
    graph, state, steps = build.graph, build.state, build.ring.steps
    weight = build.tensors(f"{name}.weight", dim, 1, 2 * steps)
    x = graph.reshape(x, -1, 1, dim)
    now, later = (weight[:, 0, part].T[None] for part in (slice(0, steps), slice(steps, None)))
    y = graph.op("Add", graph.op("Mul", x, graph.weight(now)), state.read("upsample"))
    state.write("upsample", graph.op("Mul", x, graph.weight(later)))
    return y
