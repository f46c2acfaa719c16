"""Causal convolutions as products of matrices, with the past that each of them needs.

Signals are (batch, steps, channels), so that a weight is read once, row by row, for all steps of a
frame: ONNX Runtime's own Conv is several times slower where a frame has two steps and a layer a
thousand channels. A frame is cut into blocks as long as a kernel's reach, so that an output depends
on its own block and the one before; the past that a layer keeps is its last block, or that block's
share of the next output, whichever is smaller. It is zero before the first frame.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipelines.duplex.moshi.onnx.graphs.graph import END, Graph
from pipelines.duplex.moshi.onnx.graphs.state import FlatState

F32 = npt.NDArray[np.float32]
PAIRED_STEPS = 96
"""Steps of a frame from which a kernel of 3 works on pairs of steps: a third more arithmetic, and
half of the copying. Below, reading the weights costs more than either."""
FEW_STEPS = 2
"""Steps up to which reading a layer's weights takes longer than computing with them."""
_FEW = 4096
"""Values below which one slow operator is cheaper than four quick ones."""
Product = Callable[[str, F32, F32 | None], str]
"""(rows, in), matrix (in, out), bias (out,) → (rows, out)."""


class Layers:
    """The kinds of layers of a convolutional codec, in one graph."""

    def __init__(self, graph: Graph, state: FlatState, few: Product) -> None:
        """Adds to a graph.

        Args:
            graph: The graph under construction.
            state: Has a piece under each layer's name, as large as the layer's method says that it
                keeps.
            few: Product of layers of few steps.
        """
        self._graph, self._state, self._few = graph, state, few

    def elu(self, x: str, values: int) -> str:
        """Mimi's activation of that many values: max(x, e^min(x, 0) - 1)."""
        graph = self._graph
        if values < _FEW:
            return graph.op("Elu", x)
        zero, one = graph.constant(0.0, "float32"), graph.constant(1.0, "float32")
        grown = graph.op("Exp", graph.op("Min", x, zero))
        return graph.op("Max", x, graph.op("Sub", grown, one))

    def pointwise(self, x: str, weight: F32, bias: F32, steps: int) -> str:
        """A kernel of 1: ``weight`` (out, in, 1)."""
        out, channels, _ = weight.shape
        rows = self._graph.reshape(x, -1, channels)
        return self._graph.reshape(
            self._graph.linear(rows, weight[:, :, 0].T, bias), -1, steps, out
        )

    def conv(self, name: str, x: str, weight: F32, bias: F32, steps: int) -> str:
        """Stride 1: ``weight`` (out, in, k). Keeps (k - 1, in), or (1, 2 · out) of pairs.

        Returns:
            (batch, steps, out)
        """
        graph = self._graph
        out, channels, k = weight.shape
        if is_paired(k, steps):
            taps = weight.transpose(2, 1, 0)  # (3, in, out)
            matrix = np.zeros((2, channels, 2, 2, out), np.float32)  # in-step · when · out-step
            matrix[0, :, 0, 0], matrix[0, :, 0, 1], matrix[1, :, 0, 1] = taps[2], taps[1], taps[2]
            matrix[0, :, 1, 0], matrix[1, :, 1, 0], matrix[1, :, 1, 1] = taps[0], taps[1], taps[0]
            pairs = graph.reshape(x, -1, 2 * channels)
            flat = matrix.reshape(2 * channels, 4 * out)
            y = self._now_and_before(name, pairs, flat, np.tile(bias, 2), steps // 2)
            return graph.reshape(y, -1, steps, out)
        seen = graph.concat(1, self._state.read(name), x)
        self._state.write(name, graph.slice(seen, 1, -(k - 1), END))
        seen = graph.concat(2, *(graph.slice(seen, 1, i, i + steps) for i in range(k)))
        rows = graph.reshape(seen, -1, k * channels)
        y = self._product(steps)(rows, weight.transpose(2, 1, 0).reshape(-1, out), bias)
        return graph.reshape(y, -1, steps, out)

    def conv_down(self, name: str, x: str, weight: F32, bias: F32, steps: int) -> str:
        """Stride s with a kernel of 2 s: ``weight`` (out, in, 2 s). Keeps (1, out).

        Returns:
            (batch, steps, out); ``x`` has ``steps`` · s.
        """
        out, channels, k = weight.shape
        taps = weight.transpose(2, 1, 0).reshape(2, k // 2 * channels, out)
        blocks = self._graph.reshape(x, -1, k // 2 * channels)
        matrix = np.concatenate((taps[1], taps[0]), axis=1)
        return self._now_and_before(name, blocks, matrix, bias, steps)

    def conv_up(self, name: str, x: str, weight: F32, bias: F32, steps: int) -> str:
        """Transposed, stride s with a kernel of 2 s: ``weight`` (in, out, 2 s). Keeps (1, in).

        Returns:
            (batch, steps · s, out); ``x`` has ``steps``.
        """
        graph = self._graph
        channels, out, k = weight.shape
        stride = k // 2
        before = self._before(name, x)
        halves = (weight[:, :, stride:], weight[:, :, :stride])  # of the step before, of this one
        matrix = np.concatenate([h.transpose(0, 2, 1).reshape(channels, -1) for h in halves])
        rows = graph.reshape(graph.concat(2, before, x), -1, 2 * channels)
        y = self._product(steps)(rows, matrix, np.tile(bias, stride))
        return graph.reshape(y, -1, steps * stride, out)

    def conv_in(self, name: str, x: str, weight: F32, bias: F32, steps: int, block: int) -> str:
        """From one channel: ``weight`` (out, 1, k ≤ block + 1). Keeps (1, block).

        Args:
            name: The layer's name.
            x: (batch, 1, steps): samples.
            weight: See above.
            bias: (out,)
            steps: Number of samples of a frame.
            block: Number of samples for which there is one row of the product.

        Returns:
            (batch, steps, out)
        """
        graph = self._graph
        out, _, k = weight.shape
        matrix = np.zeros((2 * block, block, out), np.float32)
        for i in range(block):
            matrix[block + i - k + 1 : block + i + 1, i] = weight[:, 0].T
        blocks = graph.reshape(x, -1, steps // block, block)
        both = graph.concat(2, self._before(name, blocks), blocks)
        rows = graph.reshape(both, -1, 2 * block)
        y = graph.linear(rows, matrix.reshape(2 * block, -1), np.tile(bias, block))
        return graph.reshape(y, -1, steps, out)

    def conv_out(self, name: str, x: str, weight: F32, bias: F32, steps: int) -> str:
        """To one channel: ``weight`` (1, in, k); each tap's product, shifted and added. Keeps
        (k - 1, k).

        Returns:
            (batch, steps, 1)
        """
        graph = self._graph
        _, channels, k = weight.shape
        taps = graph.linear(graph.reshape(x, -1, channels), weight[0])
        held = graph.concat(1, self._state.read(name), graph.reshape(taps, -1, steps, k))
        self._state.write(name, graph.slice(held, 1, -(k - 1), END))
        total = graph.constant(bias, "float32")
        for i, part in enumerate(graph.split(held, 2, [1] * k)):
            total = graph.op("Add", graph.slice(part, 1, i, i + steps), total)
        return total

    def _now_and_before(self, name: str, rows: str, matrix: F32, bias: F32, steps: int) -> str:
        """Each block's product with the left half of ``matrix`` (n, 2 · out), plus that of the
        block before with the right half: (batch, steps, out).
        """
        graph = self._graph
        out = len(bias)
        both = np.concatenate((bias, np.zeros_like(bias)))
        y = graph.reshape(self._product(steps)(rows, matrix, both), -1, steps, 2 * out)
        now, later = graph.split(y, 2, [out, out])
        return graph.op("Add", now, self._before(name, later))

    def _product(self, steps: int) -> Product:
        return self._few if steps <= FEW_STEPS else self._graph.linear

    def _before(self, name: str, x: str) -> str:
        """``x`` (batch, steps, n), one step later."""
        graph = self._graph
        held = graph.concat(1, self._state.read(name), x)
        self._state.write(name, graph.slice(held, 1, -1, END))
        return graph.slice(held, 1, 0, -1)


def is_paired(k: int, steps: int) -> bool:
    """True if `Layers.conv` works on pairs of steps."""
    return k == 3 and steps >= PAIRED_STEPS
